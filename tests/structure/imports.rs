//! The import graph of a crate: which of its files uses a name that another of its files defines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A module path within a crate: `["web", "cookies"]`, and `[]` for the root.
type Module = Vec<String>;

/// The files of one crate, and the names that each takes from others.
pub(crate) struct Imports {
    files: BTreeMap<Module, File>,
}

struct File {
    path: PathBuf,
    /// The names that the file re-exports, and where they come from.
    exports: BTreeMap<String, Module>,
    /// Every path that begins at the crate's root, from the root.
    uses: BTreeSet<Module>,
}

impl Imports {
    /// Parses every file below `src`.
    pub(crate) fn of(src: &Path) -> Self {
        let files = super::sources(src).into_iter().map(|path| {
            let module = module(path.strip_prefix(src).unwrap());
            let text = fs::read_to_string(&path).unwrap();
            let parsed = syn::parse_file(&text).unwrap();
            let mut reader = Reader {
                module: module.clone(),
                exports: BTreeMap::new(),
                uses: BTreeSet::new(),
            };
            reader.visit_file(&parsed);
            let Reader { exports, uses, .. } = reader;
            let file = File {
                path,
                exports,
                uses,
            };
            (module, file)
        });
        Self {
            files: files.collect(),
        }
    }

    /// Returns for each file the other files whose definitions it uses.
    pub(crate) fn graph(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let files = self.files.iter();
        files
            .map(|(module, file)| {
                let used = file.uses.iter().filter_map(|path| self.defined_in(path));
                let others = used.filter(|used| *used != module);
                let others = others.map(|used| self.files[used].path.as_path());
                (file.path.as_path(), others.collect())
            })
            .collect()
    }

    /// Returns the module that defines what a path names, through re-exports.
    fn defined_in<'a>(&'a self, path: &'a [String]) -> Option<&'a Module> {
        let (module, file) = (0..=path.len())
            .rev()
            .find_map(|length| self.files.get_key_value(&path[..length]))?;
        match path
            .get(module.len())
            .and_then(|name| file.exports.get(name))
        {
            Some(origin) => self.defined_in(origin),
            // The module itself: naming it uses nothing that its file defines.
            None if path.len() == module.len() => None,
            None => Some(module),
        }
    }
}

fn module(path: &Path) -> Module {
    let names = path.with_extension("");
    let names = names.iter().map(|name| name.to_str().unwrap().to_owned());
    let mut names: Module = names.collect();
    if names
        .last()
        .is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main"))
    {
        names.pop();
    }
    names
}

struct Reader {
    module: Module,
    exports: BTreeMap<String, Module>,
    uses: BTreeSet<Module>,
}

impl Reader {
    /// Returns a path from the crate's root, if it begins at a module of this crate.
    fn resolve(&self, path: &[String]) -> Option<Module> {
        let mut rest = path;
        let mut start = self.module.clone();
        match path.first()?.as_str() {
            "crate" => {
                start.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while let Some(("super", further)) =
                    rest.split_first().map(|(name, rest)| (name.as_str(), rest))
                {
                    start.pop();
                    rest = further;
                }
            }
            _ => return None,
        }
        start.extend(rest.iter().cloned());
        Some(start)
    }

    fn add_tree(&mut self, tree: &syn::UseTree, mut prefix: Vec<String>, exported: bool) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.add_tree(&path.tree, prefix, exported);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(tree, prefix.clone(), exported);
                }
            }
            syn::UseTree::Name(name) => self.add_name(prefix, &name.ident, &name.ident, exported),
            syn::UseTree::Rename(name) => {
                self.add_name(prefix, &name.ident, &name.rename, exported)
            }
            syn::UseTree::Glob(_) => {
                self.uses.extend(self.resolve(&prefix));
            }
        }
    }

    fn add_name(
        &mut self,
        mut path: Vec<String>,
        name: &syn::Ident,
        alias: &syn::Ident,
        exported: bool,
    ) {
        if name != "self" {
            path.push(name.to_string());
        }
        let Some(path) = self.resolve(&path) else {
            return;
        };
        if exported {
            self.exports.insert(alias.to_string(), path);
        } else {
            self.uses.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let exported = !matches!(item.vis, syn::Visibility::Inherited);
        self.add_tree(&item.tree, Vec::new(), exported);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.uses.extend(self.resolve(&names));
        visit::visit_path(self, path);
    }

    /// Unit tests may use everything.
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let for_tests = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|path| path.is_ident("test"))
        });
        if !for_tests {
            visit::visit_item_mod(self, item);
        }
    }
}
