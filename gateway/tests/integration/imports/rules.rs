//! What imports must keep to.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Graph, Import, Module};

/// The files of a circle, by their modules.
type Circle = BTreeSet<Module>;

/// Imports that lead up, given the crate's top-level modules from the highest to the lowest, and modules that the list
/// does not have.
pub(crate) fn upward(graph: &Graph, layers: &[&str]) -> Vec<String> {
    let height = |module: &str| layers.iter().position(|layer| *layer == top(module));
    let unlisted = graph.modules.iter().filter(|module| !module.is_empty() && height(module).is_none());
    let unlisted = unlisted.map(|module| format!("the module {module} has no place among the layers: give it one"));
    let upward = graph.imports.iter().filter_map(|import| {
        let to = import.to.as_deref()?;
        let (from, into) = (height(&import.from)?, height(to)?);
        let rule = format!("{} lies below {}, and imports lead down only", top(&import.from), top(to));
        (into < from).then(|| tell(import, &rule))
    });
    unlisted.chain(upward).collect()
}

/// Imports of what a top-level module is to know nothing of: a crate, or a module of this one as `crate::name`.
pub(crate) fn walled(graph: &Graph, walls: &[(&str, &str)]) -> Vec<String> {
    let through = |import: &Import, (module, beyond): &(&str, &str)| {
        let to = match &import.to {
            Some(to) => format!("crate::{}", top(to)),
            None => import.path.split("::").next().unwrap_or_default().to_owned(),
        };
        top(&import.from) == *module && to == *beyond
    };
    let mut found = Vec::new();
    for import in &graph.imports {
        for wall in walls.iter().filter(|wall| through(import, wall)) {
            found.push(tell(import, &format!("{} is to know nothing of {}", wall.0, wall.1)));
        }
    }
    found
}

/// Circles between files, with the imports that make them.
pub(crate) fn circular(graph: &Graph) -> Vec<String> {
    let told = |circle: &Circle| {
        let inside = graph
            .imports
            .iter()
            .filter(|import| circle.contains(&import.from) && import.to.as_ref().is_some_and(|to| circle.contains(to)));
        let lines: Vec<String> = inside.map(|import| tell(import, "part of the circle")).collect();
        format!("files import each other in a circle, {}:\n  {}", names(circle), lines.join("\n  "))
    };
    circles(graph).iter().map(told).collect()
}

/// The strongly connected components of two files and more.
fn circles(graph: &Graph) -> Vec<Circle> {
    let mut arrows: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for import in &graph.imports {
        arrows.entry(&import.from).or_default().extend(&import.to);
    }
    let mut reach: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for start in &graph.modules {
        let mut todo = vec![start];
        let reached = reach.entry(start).or_default();
        while let Some(at) = todo.pop() {
            todo.extend(arrows.get(at).into_iter().flatten().filter(|to| reached.insert(to)));
        }
    }
    let together = |a: &Module, b: &Module| reach[a].contains(b) && reach[b].contains(a);
    let circle = |a: &Module| graph.modules.iter().filter(|b| together(a, b)).cloned().collect::<Circle>();
    let all: BTreeSet<Circle> = graph.modules.iter().map(circle).filter(|circle| circle.len() > 1).collect();
    all.into_iter().collect()
}

fn top(module: &str) -> &str {
    module.split('/').next().unwrap_or_default()
}

fn tell(import: &Import, rule: &str) -> String {
    format!("{}:{} imports {}: {rule}", import.file.display(), import.line, import.path)
}

fn names(circle: &Circle) -> String {
    let named = |module: &Module| if module.is_empty() { "the crate's root".to_owned() } else { module.clone() };
    circle.iter().map(named).collect::<Vec<_>>().join(" ⇄ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_that_leads_up_is_told_with_its_line_and_one_that_leads_down_is_not() {
        let graph = Graph::of_sources(&[
            ("lib.rs", "mod http; mod dedup;"),
            ("http.rs", "use crate::dedup::Accepted;"),
            ("dedup/mod.rs", "mod core;"),
            ("dedup/core.rs", "use std::fmt;\nuse crate::http::Problem;"),
        ]);
        let expected =
            "dedup/core.rs:2 imports crate::http::Problem: dedup lies below http, and imports lead down only";
        assert_eq!(upward(&graph, &["http", "dedup"]), [expected]);
        let expected = "http.rs:1 imports crate::dedup::Accepted: http lies below dedup, and imports lead down only";
        assert_eq!(upward(&graph, &["dedup", "http"]), [expected]);
    }

    #[test]
    fn a_module_without_a_place_is_told() {
        let graph = Graph::of_sources(&[("lib.rs", "mod http; mod new;"), ("http.rs", ""), ("new.rs", "")]);
        assert_eq!(upward(&graph, &["http"]), ["the module new has no place among the layers: give it one"]);
    }

    #[test]
    fn what_a_module_is_to_know_nothing_of_is_told_whether_crate_or_module() {
        let graph = Graph::of_sources(&[
            ("lib.rs", "mod http; mod kubernetes;"),
            ("http/mod.rs", "mod auth;"),
            ("http/auth.rs", "use kube::Api;\nuse crate::kubernetes::Error;\nuse std::fmt;"),
            ("kubernetes.rs", "use kube::Api;"),
        ]);
        let walls = [("http", "kube"), ("http", "crate::kubernetes")];
        assert_eq!(
            walled(&graph, &walls),
            [
                "http/auth.rs:1 imports kube::Api: http is to know nothing of kube",
                "http/auth.rs:2 imports crate::kubernetes::Error: http is to know nothing of crate::kubernetes",
            ]
        );
    }

    #[test]
    fn a_circle_of_three_files_is_told_once_with_its_imports() {
        let graph = Graph::of_sources(&[
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "\nuse crate::a::A;"),
            ("d.rs", "use crate::a::A;"),
        ]);
        let [told] = &circular(&graph)[..] else { panic!("one circle") };
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            [
                "files import each other in a circle, a ⇄ b ⇄ c:",
                "  a.rs:1 imports crate::b::B: part of the circle",
                "  b.rs:1 imports crate::c::C: part of the circle",
                "  c.rs:2 imports crate::a::A: part of the circle",
            ]
        );
    }

    #[test]
    fn a_file_and_the_map_that_re_exports_it_are_a_circle_if_it_imports_the_map() {
        let sources = |child: &'static str| {
            Graph::of_sources(&[
                ("lib.rs", "mod a;"),
                ("a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
                ("a/b.rs", child),
                ("a/c.rs", ""),
            ])
        };
        assert_eq!(circular(&sources("use super::C;")).len(), 1);
        assert!(circular(&sources("use super::c::C;")).is_empty());
    }
}
