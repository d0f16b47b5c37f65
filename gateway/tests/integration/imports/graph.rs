//! Which file of a crate imports which.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility,
    visit::{self, Visit},
};

/// A module's path below its crate, `dedup/core`; empty for the crate itself. Each has a file of its own.
pub(crate) type Module = String;

/// One path of a file that names something of another file, or of another crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    /// The file's module.
    pub(crate) from: Module,
    /// The module of the file that is imported; none if it is another crate's.
    pub(crate) to: Option<Module>,
    /// As written, such as `crate::config::Config`.
    pub(crate) path: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// Its line.
    pub(crate) line: usize,
}

/// The files of a crate and what they import; tests are left out.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Every module with a file of its own.
    pub(crate) modules: BTreeSet<Module>,
    /// In order of file and line.
    pub(crate) imports: BTreeSet<Import>,
}

impl Graph {
    /// Reads all sources below `src` of `workspace`.
    pub(crate) fn read(workspace: &Path, src: &str) -> io::Result<Self> {
        let src = workspace.join(src);
        let mut sources = Vec::new();
        let mut directories = vec![src.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    directories.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let below = |start: &Path| path.strip_prefix(start).unwrap_or(&path).to_owned();
                    sources.push((below(&src), below(workspace), fs::read_to_string(&path)?));
                }
            }
        }
        Ok(Self::of(sources))
    }

    /// The graph of made-up sources, by their path below `src`.
    pub(crate) fn of_sources(sources: &[(&str, &str)]) -> Self {
        Self::of(sources.iter().map(|(path, text)| (path.into(), path.into(), (*text).to_owned())).collect())
    }

    /// Of sources by their path below `src`, and as they are told to people.
    fn of(sources: Vec<(PathBuf, PathBuf, String)>) -> Self {
        let has_library = sources.iter().any(|(path, ..)| path == Path::new("lib.rs"));
        let mut files: BTreeMap<Module, (PathBuf, syn::File)> = BTreeMap::new();
        for (path, file, text) in sources {
            let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            files.insert(module_of(&path, has_library), (file, parsed));
        }
        let tests: Vec<Module> =
            files.iter().flat_map(|(module, (_, parsed))| tests_in(module, &parsed.items)).collect();
        files.retain(|module, _| !tests.iter().any(|test| is_within(module, test)));
        let modules: BTreeSet<Module> = files.keys().cloned().collect();
        let mut imports = BTreeSet::new();
        for (module, (file, parsed)) in &files {
            let inner = module.clone();
            let mut reader = Reader { modules: &modules, module, inner, file, imports: &mut imports };
            reader.visit_file(parsed);
        }
        Self { modules, imports }
    }
}

/// `dedup/core.rs` and `dedup/core/mod.rs` are `dedup/core`. A binary beside a library is a crate of its own: `main`.
fn module_of(path: &Path, has_library: bool) -> Module {
    let stem = path.with_extension("");
    let name = stem.file_name().unwrap_or_default();
    let own = match name.to_str() {
        Some("mod" | "lib") => false,
        Some("main") => has_library,
        _ => true,
    };
    let module = if own { stem.as_path() } else { stem.parent().unwrap_or(Path::new("")) };
    module.to_str().unwrap_or_default().to_owned()
}

fn tests_in(module: &str, items: &[Item]) -> Vec<Module> {
    let is_test = |item: &Item| match item {
        Item::Mod(item) if is_left_out(&item.attrs) => Some(child(module, &item.ident.to_string())),
        _ => None,
    };
    items.iter().filter_map(is_test).collect()
}

/// Whether an item is for tests or documentation only.
fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = || attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        attribute.path().is_ident("cfg") && matches!(condition().as_str(), "test" | "doc")
    })
}

fn child(module: &str, name: &str) -> Module {
    if module.is_empty() { name.to_owned() } else { format!("{module}/{name}") }
}

fn parent(module: &str) -> Module {
    module.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned()
}

fn is_within(module: &str, outer: &str) -> bool {
    module.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Collects the imports of one file.
struct Reader<'a> {
    modules: &'a BTreeSet<Module>,
    /// The file's.
    module: &'a Module,
    /// The one being read: the file's, or one written inside of it.
    inner: Module,
    file: &'a Path,
    imports: &'a mut BTreeSet<Import>,
}

impl Reader<'_> {
    fn note(&mut self, path: &[String], span: Span) {
        let Some(absolute) = self.absolute(path) else { return };
        let to = match absolute {
            Some(absolute) => match self.file_of(absolute) {
                to if to == *self.module => return,
                to => Some(to),
            },
            None => None,
        };
        self.imports.insert(Import {
            from: self.module.clone(),
            to,
            path: path.join("::"),
            file: self.file.to_owned(),
            line: span.start().line,
        });
    }

    /// Where a path leads; an inner none if that is another crate, none if it is a name of the file itself.
    fn absolute(&self, path: &[String]) -> Option<Option<Module>> {
        let (first, mut rest) = path.split_first()?;
        let mut from = match first.as_str() {
            "crate" => Module::new(),
            "self" => self.inner.clone(),
            "super" => parent(&self.inner),
            name if self.modules.contains(&child(&self.inner, name)) => child(&self.inner, name),
            name if path.len() > 1 && name.starts_with(|c: char| c.is_ascii_lowercase()) => return Some(None),
            _ => return None,
        };
        while let Some(("super", further)) = rest.split_first().map(|(name, further)| (name.as_str(), further)) {
            (from, rest) = (parent(&from), further);
        }
        Some(Some(rest.iter().fold(from, |module, name| child(&module, name))))
    }

    /// The innermost module on the way to `path` that has a file.
    fn file_of(&self, mut path: Module) -> Module {
        while !path.is_empty() && !self.modules.contains(&path) {
            path = parent(&path);
        }
        path
    }

    fn use_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.use_tree(&with(&path.ident), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(before, tree)),
            UseTree::Name(name) if name.ident == "self" => self.note(before, name.ident.span()),
            UseTree::Name(name) => self.note(&with(&name.ident), name.ident.span()),
            UseTree::Rename(rename) => self.note(&with(&rename.ident), rename.ident.span()),
            UseTree::Glob(glob) => self.note(before, glob.star_token.spans[0]),
        }
    }

    /// Paths in what is passed to a macro, which has a syntax of its own.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) if first == "crate" || first == "super" => {
                    let mut path = vec![first.to_string()];
                    while tokens.next_if(|next| matches!(next, TokenTree::Punct(p) if p.as_char() == ':')).is_some() {
                        if let Some(TokenTree::Ident(name)) = tokens.next_if(|next| matches!(next, TokenTree::Ident(_)))
                        {
                            path.push(name.to_string());
                        }
                    }
                    self.note(&path, first.span());
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_left_out(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let outer = self.inner.clone();
        self.inner = child(&outer, &item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.inner = outer;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.use_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.note(&names, path.segments[0].ident.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.tokens(called.tokens.clone());
    }

    /// `pub(super)` names a module, but imports nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    /// Nor does an attribute; it may name what a macro is to call.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// What `dedup/core.rs` with this text imports.
    fn imports_of(text: &str) -> Vec<(Option<String>, usize)> {
        let graph = Graph::of_sources(&[
            ("lib.rs", "mod config; mod dedup;"),
            ("config/mod.rs", ""),
            ("config/load.rs", ""),
            ("dedup/mod.rs", "mod core; mod view;"),
            ("dedup/core.rs", text),
            ("dedup/core/child.rs", ""),
            ("dedup/view.rs", ""),
        ]);
        let mut found: Vec<_> = graph.imports.into_iter().filter(|import| import.from == "dedup/core").collect();
        found.sort_by_key(|import| import.line);
        found.into_iter().map(|import| (import.to, import.line)).collect()
    }

    #[rstest]
    #[case::absolute("use crate::config::Config;", &[(Some("config"), 1)])]
    #[case::group("use crate::{\n    config::{Config, load::read},\n};", &[(Some("config"), 2), (Some("config/load"), 2)])]
    #[case::sibling("use super::view::View;", &[(Some("dedup/view"), 1)])]
    #[case::parent("use super::Error;", &[(Some("dedup"), 1)])]
    #[case::grandparent("use super::super::config;", &[(Some("config"), 1)])]
    #[case::everything("use super::view::*;", &[(Some("dedup/view"), 1)])]
    #[case::another_name("use super::view::View as Other;", &[(Some("dedup/view"), 1)])]
    #[case::of_the_crate("use crate::Error;", &[(Some(""), 1)])]
    #[case::child("use child::Child;", &[(Some("dedup/core/child"), 1)])]
    #[case::child_by_self("pub use self::child::Child;", &[(Some("dedup/core/child"), 1)])]
    #[case::in_an_expression("fn f() {\n    crate::config::load::read();\n}", &[(Some("config/load"), 2)])]
    #[case::in_a_type("struct S(\n    super::view::View,\n);", &[(Some("dedup/view"), 2)])]
    #[case::in_a_macro("fn f() {\n    println!(\"{}\", crate::config::NAME);\n}", &[(Some("config"), 2)])]
    #[case::in_an_inner_module("mod inner {\n    use super::super::view::View;\n}", &[(Some("dedup/view"), 2)])]
    #[case::another_crate("use kube::Api;", &[(None, 1)])]
    #[case::of_itself("mod inner {\n    use super::X;\n}\nuse self::inner::Y;", &[])]
    #[case::visibility("pub(super) struct S;\npub(in crate::dedup) struct T;", &[])]
    #[case::comment("//! [`crate::config`]\n/// crate::config::X\n// use crate::config;\nstruct S;", &[])]
    #[case::own_type("fn f() {\n    Vec::<u8>::new();\n}", &[])]
    #[case::tests("#[cfg(test)]\nmod tests {\n    use crate::config::Config;\n}", &[])]
    #[case::documentation("#[cfg(doc)]\nuse crate::config::Config;", &[])]
    fn a_path_is_an_import_of_the_file_that_it_leads_to(
        #[case] text: &str,
        #[case] expected: &[(Option<&str>, usize)],
    ) {
        let expected: Vec<_> = expected.iter().map(|(to, line)| (to.map(str::to_owned), *line)).collect();
        assert_eq!(imports_of(text), expected);
    }

    #[test]
    fn files_of_tests_are_left_out() {
        let graph = Graph::of_sources(&[
            ("lib.rs", "mod dedup;"),
            ("dedup.rs", "#[cfg(test)]\nmod tests;"),
            ("dedup/tests/mod.rs", "mod more;"),
            ("dedup/tests/more.rs", "use crate::dedup::X;"),
        ]);
        assert_eq!(graph.modules, BTreeSet::from(["".to_owned(), "dedup".to_owned()]));
        assert!(graph.imports.is_empty());
    }

    #[test]
    fn a_binary_beside_a_library_is_another_crate() {
        let graph = Graph::of_sources(&[("lib.rs", "pub mod run;"), ("main.rs", "use gateway::run;"), ("run.rs", "")]);
        assert!(graph.modules.contains("main"));
    }
}
