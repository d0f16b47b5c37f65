//! Who may do what: authorization, reviews, and resources that come and go.

use crate::support::{api, api_with, code_and_reason, lease, leases, refusal};
use embedded_apiserver::{Caller, EmbeddedApi, Options};
use k8s_openapi::{
    api::{
        authentication::v1::{TokenReview, TokenReviewSpec},
        authorization::v1::{
            ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
            SubjectAccessReviewSpec,
        },
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, GroupVersionKind, PostParams},
    core::ApiResource,
};
use rstest::rstest;
use serde_json::{Value, json};

/// Lets `user` do `verbs` with leases and services in the namespace `test`.
fn grant(api: &EmbeddedApi, user: &str, verbs: &[&str]) {
    let (version, metadata) = ("rbac.authorization.k8s.io/v1", json!({"name": user, "namespace": "test"}));
    api.seed(json!({
        "apiVersion": version, "kind": "Role", "metadata": metadata,
        "rules": [{"apiGroups": ["", "coordination.k8s.io"], "resources": ["leases", "services"], "verbs": verbs}],
    }));
    api.seed(json!({
        "apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"kind": "Role", "name": user}, "subjects": [{"kind": "User", "name": user}],
    }));
}

fn guarded() -> EmbeddedApi {
    api_with(Options { rbac: true, ..Options::default() })
}

#[tokio::test(start_paused = true)]
async fn what_is_not_allowed_is_forbidden() {
    let api = guarded();
    grant(&api, "x", &["get"]);
    grant(&api, "y", &["create"]);
    let refused = leases(api.client("x", "test")).create(&PostParams::default(), &lease("a")).await;
    let status = refusal(refused);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        status.message,
        "leases.coordination.k8s.io is forbidden: User \"x\" cannot create resource \"leases\" in API group \
         \"coordination.k8s.io\" in the namespace \"test\""
    );
    let status = refusal(leases(api.client("x", "test")).delete("a", &DeleteParams::default()).await);
    assert!(status.message.starts_with("leases.coordination.k8s.io \"a\" is forbidden: "), "{}", status.message);
    assert_eq!(code_and_reason(leases(api.client("x", "test")).get("a").await).0, 404);
    leases(api.client("y", "test")).create(&PostParams::default(), &lease("a")).await.unwrap();
    api.unseed("rolebindings", "test", "x");
    assert_eq!(code_and_reason(leases(api.client("x", "test")).get("a").await).0, 403);
}

/// With an empty document, as templates leave them.
const MANIFESTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: x, namespace: test}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}]
---
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: x, namespace: test}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: x}
subjects: [{kind: User, name: x}]
";

#[tokio::test(start_paused = true)]
async fn manifests_grant_what_they_say() {
    let api = guarded();
    assert!(api.seed_manifests(&format!("{MANIFESTS}---\n[")).is_err());
    let x = leases(api.client("x", "test"));
    assert_eq!(refusal(x.create(&PostParams::default(), &lease("a")).await).code, 403, "nothing was put there");
    api.seed_manifests(MANIFESTS).unwrap();
    x.create(&PostParams::default(), &lease("a")).await.unwrap();
    assert_eq!(refusal(x.get("a").await).code, 403);
}

#[rstest]
#[case::masters(Caller::admin(), "/metrics", 404)]
#[case::anybody_may_discover(Caller::new("x"), "/apis/apps/v1", 200)]
#[case::but_nothing_else(Caller::new("x"), "/metrics", 403)]
#[tokio::test(start_paused = true)]
async fn paths_are_guarded_too(#[case] caller: Caller, #[case] path: &str, #[case] code: u16) {
    let client = kube::Client::new(guarded().service(caller), "test");
    let answer = client.send(http::Request::get(path).body(Vec::new().into()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), code);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_reviewed() {
    let api = api();
    api.add_token("secret", "alertmanager", &["monitoring"]);
    let reviews: Api<TokenReview> = Api::all(api.client("one", "test"));
    let review = async |token: &str| {
        let spec = TokenReviewSpec { token: token.to_owned(), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap()
    };
    let known = review("secret").await;
    assert_eq!(known.authenticated, Some(true));
    let user = known.user.unwrap();
    assert_eq!((user.username.as_deref(), user.groups), (Some("alertmanager"), Some(vec!["monitoring".to_owned()])));
    assert_ne!(review("guessed").await.authenticated, Some(true));
    api.remove_token("secret");
    assert_ne!(review("secret").await.authenticated, Some(true));
}

#[tokio::test(start_paused = true)]
async fn access_is_reviewed_by_the_same_rules() {
    let api = guarded();
    grant(&api, "good", &["create"]);
    let reviews: Api<SubjectAccessReview> = Api::all(kube::Client::new(api.service(Caller::admin()), "test"));
    let why = "RBAC: allowed by RoleBinding \"good/test\" of Role \"good\" to User \"good\"";
    for (user, allowed, reason) in [("good", true, Some(why)), ("bad", false, None)] {
        let attributes = ResourceAttributes {
            verb: Some("create".to_owned()),
            resource: Some("services".to_owned()),
            namespace: Some("test".to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(user.to_owned()),
            resource_attributes: Some(attributes.clone()),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
        assert_eq!((answer.allowed, answer.reason.as_deref()), (allowed, reason));
        let own: Api<SelfSubjectAccessReview> = Api::all(api.client(user, "test"));
        let spec = SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let answer = own.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
        assert_eq!((answer.allowed, answer.reason.as_deref()), (allowed, reason));
    }
}

#[tokio::test(start_paused = true)]
async fn a_definition_serves_its_resource_from_creation_to_deletion() {
    let api = api();
    let client = api.client("one", "test");
    let definition: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    }))
    .unwrap();
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("example.com", "v1", "Widget"));
    let widgets: Api<DynamicObject> = Api::namespaced_with(client.clone(), "test", &resource);
    let widget = DynamicObject::new("a", &resource).data(json!({"spec": {"size": 1}}));
    assert_eq!(code_and_reason(widgets.create(&PostParams::default(), &widget).await).0, 404);

    let definitions: Api<CustomResourceDefinition> = Api::all(client);
    let created = definitions.create(&PostParams::default(), &definition).await.unwrap();
    let conditions = created.status.unwrap().conditions.unwrap();
    assert!(conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True"));
    widgets.create(&PostParams::default(), &widget).await.unwrap();

    definitions.delete("widgets.example.com", &DeleteParams::default()).await.unwrap();
    assert_eq!(code_and_reason(widgets.get("a").await).0, 404);
    assert_eq!(api.objects("widgets").len(), 0);
    definitions.create(&PostParams::default(), &definition).await.unwrap();
    assert_eq!(refusal(widgets.get("a").await).reason, "NotFound");
}

#[rstest]
#[case::no_such_resource("GET", "/apis/apps/v1/namespaces/test/things", 404)]
#[case::no_such_group("GET", "/apis/nothing/v1/things", 404)]
#[case::no_status("GET", "/apis/coordination.k8s.io/v1/namespaces/test/leases/a/status", 404)]
#[case::no_namespace("POST", "/apis/coordination.k8s.io/v1/leases", 405)]
#[case::create_with_a_name("POST", "/apis/coordination.k8s.io/v1/namespaces/test/leases/a", 405)]
#[case::update_of_a_collection("PUT", "/apis/coordination.k8s.io/v1/namespaces/test/leases", 405)]
#[case::list_of_reviews("GET", "/apis/authentication.k8s.io/v1/tokenreviews", 405)]
#[tokio::test(start_paused = true)]
async fn a_path_or_method_that_is_not_served_is_refused(#[case] method: &str, #[case] path: &str, #[case] code: u16) {
    let api = api();
    let request = http::Request::builder().method(method).uri(path).body(Vec::new()).unwrap();
    assert_eq!(code_and_reason(api.client("one", "test").request::<Value>(request).await).0, code);
}

#[rstest]
#[case("/healthz")]
#[case("/readyz")]
#[case("/livez")]
#[tokio::test(start_paused = true)]
async fn health_is_ok(#[case] path: &str) {
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    assert_eq!(api().client("one", "test").request_text(request).await.unwrap(), "ok");
}
