//! Reading what others may have written oddly.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

/// Anything that is not as expected reads as absent.
pub(super) fn lenient<'de, T: DeserializeOwned + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// The fields of an object, all of them [`lenient()`]; anything but an object reads as absent. Skips other fields, the
/// payload above all, without copying them.
pub(super) fn fields<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Fields<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for Fields<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("JSON")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<T, A::Error> {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            Ok(T::default())
        }

        fn visit_unit<E>(self) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_bool<E>(self, _: bool) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_i64<E>(self, _: i64) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_u64<E>(self, _: u64) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_f64<E>(self, _: f64) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_str<E>(self, _: &str) -> Result<T, E> {
            Ok(T::default())
        }
    }

    deserializer.deserialize_any(Fields(PhantomData))
}

/// As [`fields`], of something that is there; `#[serde(default)]` stands for what is not.
pub(super) fn present<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    fields(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Spec {
        #[serde(deserialize_with = "lenient")]
        name: Option<String>,
    }

    #[rstest]
    #[case::with_more(json!({"payload": {"a": [1, "b"]}, "name": "a"}), Some("a"))]
    #[case::of_another_type(json!({"name": {"first": "a"}}), None)]
    #[case::null(json!({"name": null}), None)]
    #[case::no_object_but_null(json!(null), None)]
    #[case::no_object_but_a_list(json!([{"name": "a"}, "a"]), None)]
    #[case::no_object_but_a_text(json!("a\n"), None)]
    #[case::no_object_but_a_count(json!(1), None)]
    #[case::no_object_but_a_debt(json!(-1), None)]
    #[case::no_object_but_a_number(json!(1.5), None)]
    #[case::no_object_but_a_bool(json!(true), None)]
    fn a_field_reads_as_absent_unless_it_is_as_expected(#[case] object: Value, #[case] name: Option<&str>) {
        let text = object.to_string();
        let read: Spec = fields(&mut serde_json::Deserializer::from_str(&text)).unwrap();
        assert_eq!(read, Spec { name: name.map(str::to_owned) });
    }
}
