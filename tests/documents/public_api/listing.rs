//! The lines of the list: every item that a user of the crate can name, where the user finds it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::punctuated::Punctuated;
use syn::{
    Attribute, Fields, FnArg, GenericArgument, ImplItem, Item, ItemEnum, ItemImpl, ItemTrait, Meta,
    Pat, PathArguments, Signature, Token, TraitItem, Type, UseTree, Visibility,
};

use super::source::{Module, parse};
use super::tokens::text;

/// Returns the lines of the crate below `src`, sorted: `PATH: WHAT`, without the crate's name.
pub(super) fn of(src: &Path) -> Vec<String> {
    let modules = parse(src);
    let mut list = List::new(&modules);
    list.add_module(&Vec::new(), &[]);
    list.lines.into_iter().collect()
}

/// Where an item is defined: its module and its name.
type Origin = (Module, String);

struct List<'a> {
    modules: &'a BTreeMap<Module, Vec<Item>>,
    /// The imports of each module by the names that they go by there, and whether they are public.
    uses: BTreeMap<&'a Module, BTreeMap<String, Module>>,
    /// The implementations for each type, and of each trait.
    impls: BTreeMap<Origin, Vec<(&'a Module, &'a ItemImpl)>>,
    lines: BTreeSet<String>,
}

impl<'a> List<'a> {
    fn new(modules: &'a BTreeMap<Module, Vec<Item>>) -> Self {
        let uses = modules.iter().map(|(module, items)| {
            let trees = items.iter().filter_map(|item| match item {
                Item::Use(item) => Some(&item.tree),
                _ => None,
            });
            let names = trees.flat_map(|tree| leaves(tree, Vec::new()));
            (module, names.collect())
        });
        let mut list = Self {
            modules,
            uses: uses.collect(),
            impls: BTreeMap::new(),
            lines: BTreeSet::new(),
        };
        for (module, items) in modules {
            for item in items {
                if let Item::Impl(item) = item
                    && let Some(origin) = list.implemented(module, item)
                {
                    list.impls.entry(origin).or_default().push((module, item));
                }
            }
        }
        list
    }

    /// Returns the type that an implementation is for, or the trait where the type is another crate's.
    fn implemented(&self, module: &Module, item: &ItemImpl) -> Option<Origin> {
        let Type::Path(of) = &*item.self_ty else {
            return None;
        };
        let path = item.trait_.as_ref().map(|(_, path, _)| path);
        let own = self.resolve(module, &names(&of.path)).ok();
        own.or_else(|| self.resolve(module, &names(path?)).ok())
    }

    /// Returns what a path in a module names: an item of this crate, or the path of another crate's.
    fn resolve(&self, module: &Module, path: &[String]) -> Result<Origin, Module> {
        let (name, prefix) = path.split_last().unwrap();
        let Some(target) = self.module_at(module, prefix) else {
            // The first name may be an imported module.
            let (first, rest) = path.split_first().unwrap();
            let used = self.import(module, first).ok_or_else(|| path.to_vec())?;
            return self.resolve(module, &[&used[..], rest].concat());
        };
        if self.defines(&target, name) {
            return Ok((target, name.clone()));
        }
        let used = self.import(&target, name).ok_or_else(|| path.to_vec())?;
        self.resolve(&target, &used)
    }

    /// Returns the path behind an imported name.
    fn import(&self, module: &Module, name: &str) -> Option<Module> {
        let used = self.uses.get(module)?.get(name)?;
        // Not where the name is another crate's too, as in `use async_trait::async_trait`.
        (used[0] != name).then(|| used.clone())
    }

    /// Returns the module of this crate that a path names.
    fn module_at(&self, module: &Module, path: &[String]) -> Option<Module> {
        let mut at = module.clone();
        for (index, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" if index == 0 => at.clear(),
                "self" if index == 0 => {}
                "super" => at.truncate(at.len().checked_sub(1)?),
                name => at.push(name.to_owned()),
            }
        }
        self.modules.contains_key(&at).then_some(at)
    }

    fn defines(&self, module: &Module, name: &str) -> bool {
        let items = self.modules.get(module).into_iter().flatten();
        items
            .into_iter()
            .any(|item| ident(item).is_some_and(|ident| ident == name))
    }

    /// Adds what a public module shows, under the path that users write.
    fn add_module(&mut self, module: &Module, shown: &[String]) {
        for item in &self.modules[module] {
            if !is_public(visibility(item)) || is_hidden(attributes(item)) {
                continue;
            }
            match item {
                Item::Use(item) => {
                    for (name, path) in leaves(&item.tree, Vec::new()) {
                        self.add_export(module, shown, &name, &path);
                    }
                }
                Item::Mod(item) => {
                    let name = item.ident.to_string();
                    let path = child(shown, &name);
                    self.line(&path, &format!("mod{}", condition(&item.attrs)));
                    self.add_module(&child(module, &name), &path);
                }
                item => {
                    let name = ident(item).unwrap();
                    self.add_item(&(module.clone(), name.clone()), &child(shown, &name));
                }
            }
        }
    }

    fn add_export(&mut self, module: &Module, shown: &[String], name: &str, path: &[String]) {
        let shown = child(shown, name);
        match self.resolve(module, path) {
            Ok(origin) => self.add_item(&origin, &shown),
            Err(external) => self.line(&shown, &format!("use {}", external.join("::"))),
        }
    }

    fn add_item(&mut self, origin: &Origin, shown: &[String]) {
        let (module, name) = origin;
        let items = self.modules[module].iter();
        let items = items.filter(|item| ident(item).is_some_and(|ident| ident == *name));
        for item in items {
            match item {
                Item::Fn(item) => self.line(shown, &text(&item.sig)),
                Item::Const(item) => {
                    self.line(shown, &format!("const {}: {}", name, text(&item.ty)))
                }
                Item::Static(item) => {
                    self.line(shown, &format!("static {}: {}", name, text(&item.ty)))
                }
                Item::Type(item) => {
                    self.line(shown, &format!("type {} = {}", name, text(&item.ty)))
                }
                Item::Struct(item) => {
                    let generics = text(&item.generics);
                    self.line(
                        shown,
                        &format!("{}struct {name}{generics}", shown_attributes(&item.attrs)),
                    );
                    self.fields(&item.fields, shown);
                }
                Item::Enum(item) => self.add_enum(item, shown),
                Item::Trait(item) => self.add_trait(item, shown),
                _ => {}
            }
        }
        for (module, item) in self.impls.get(origin).cloned().unwrap_or_default() {
            self.add_impl(module, item, shown);
        }
    }

    fn fields(&mut self, fields: &Fields, shown: &[String]) {
        for (index, field) in fields.iter().enumerate() {
            if is_public(Some(&field.vis)) {
                let name = field
                    .ident
                    .as_ref()
                    .map_or(index.to_string(), ToString::to_string);
                let path = child(shown, &name);
                self.line(&path, &text(&field.ty));
            }
        }
    }

    fn add_enum(&mut self, item: &ItemEnum, shown: &[String]) {
        let generics = text(&item.generics);
        self.line(
            shown,
            &format!(
                "{}enum {}{generics}",
                shown_attributes(&item.attrs),
                item.ident
            ),
        );
        for variant in &item.variants {
            let types = variant.fields.iter().map(|field| {
                let name = field.ident.as_ref().map(|name| format!("{name}: "));
                name.unwrap_or_default() + &text(&field.ty)
            });
            let types = types.collect::<Vec<String>>().join(", ");
            let what = match &variant.fields {
                Fields::Unit => "variant".to_owned(),
                Fields::Unnamed(_) => format!("variant ({types})"),
                Fields::Named(_) => format!("variant {{ {types} }}"),
            };
            self.line(&child(shown, &variant.ident.to_string()), &what);
        }
    }

    fn add_trait(&mut self, item: &ItemTrait, shown: &[String]) {
        let (generics, supertraits) = (text(&item.generics), text(&item.supertraits));
        let colon = if supertraits.is_empty() { "" } else { ": " };
        self.line(
            shown,
            &format!("trait {}{generics}{colon}{supertraits}", item.ident),
        );
        for member in &item.items {
            match member {
                TraitItem::Fn(member) if !is_hidden(&member.attrs) => {
                    let provided = if member.default.is_some() {
                        " { .. }"
                    } else {
                        ""
                    };
                    self.method(&member.sig, shown, provided);
                }
                TraitItem::Const(member) => {
                    let path = child(shown, &member.ident.to_string());
                    self.line(
                        &path,
                        &format!("const {}: {}", member.ident, text(&member.ty)),
                    );
                }
                TraitItem::Type(member) => {
                    let path = child(shown, &member.ident.to_string());
                    self.line(&path, &format!("type {}", member.ident));
                }
                _ => {}
            }
        }
    }

    fn add_impl(&mut self, module: &Module, item: &ItemImpl, shown: &[String]) {
        if let Some((_, path, _)) = &item.trait_ {
            if self.names_private_type(module, path) {
                return;
            }
            let generics = text(&item.generics);
            let what = format!(
                "impl{generics} {} for {}",
                last_segment(path),
                text(&item.self_ty)
            );
            return self.line(shown, &what);
        }
        for member in &item.items {
            match member {
                ImplItem::Fn(member)
                    if is_public(Some(&member.vis)) && !is_hidden(&member.attrs) =>
                {
                    self.method(&member.sig, shown, "");
                }
                ImplItem::Const(member) if is_public(Some(&member.vis)) => {
                    let path = child(shown, &member.ident.to_string());
                    self.line(
                        &path,
                        &format!("const {}: {}", member.ident, text(&member.ty)),
                    );
                }
                _ => {}
            }
        }
    }

    /// Whether a trait is implemented with a type that users cannot name, as in `From<Row>`.
    fn names_private_type(&self, module: &Module, path: &syn::Path) -> bool {
        let Some(PathArguments::AngleBracketed(generics)) =
            path.segments.last().map(|segment| &segment.arguments)
        else {
            return false;
        };
        generics.args.iter().any(|argument| match argument {
            GenericArgument::Type(Type::Path(of)) => self
                .resolve(module, &names(&of.path))
                .is_ok_and(|(module, name)| {
                    let items = self.modules[&module].iter();
                    let mut items = items.filter(|item| ident(item).as_ref() == Some(&name));
                    items.any(|item| !is_public(visibility(item)))
                }),
            _ => false,
        })
    }

    fn method(&mut self, signature: &Signature, shown: &[String], end: &str) {
        let path = child(shown, &signature.ident.to_string());
        let mut signature = signature.clone();
        // Whether a parameter may be changed inside is not the caller's concern.
        for input in &mut signature.inputs {
            match input {
                FnArg::Receiver(receiver) if receiver.reference.is_none() => {
                    receiver.mutability = None;
                }
                FnArg::Typed(parameter) => {
                    if let Pat::Ident(name) = &mut *parameter.pat {
                        name.mutability = None;
                    }
                }
                FnArg::Receiver(_) => {}
            }
        }
        self.line(&path, &(text(signature) + end));
    }

    fn line(&mut self, path: &[String], what: &str) {
        self.lines.insert(format!("{}: {what}", path.join("::")));
    }
}

fn child(module: &[String], name: &str) -> Module {
    [module, &[name.to_owned()]].concat()
}

fn names(path: &syn::Path) -> Vec<String> {
    path.segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect()
}

/// Returns the names that an import brings, and the paths behind them.
fn leaves(tree: &UseTree, mut path: Module) -> Vec<(String, Module)> {
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            leaves(&tree.tree, path)
        }
        UseTree::Group(group) => {
            let trees = group.items.iter();
            trees.flat_map(|tree| leaves(tree, path.clone())).collect()
        }
        UseTree::Name(name) if name.ident == "self" => {
            vec![(path.last().unwrap().clone(), path)]
        }
        UseTree::Name(name) => {
            path.push(name.ident.to_string());
            vec![(name.ident.to_string(), path)]
        }
        UseTree::Rename(name) => {
            path.push(name.ident.to_string());
            vec![(name.rename.to_string(), path)]
        }
        UseTree::Glob(_) => Vec::new(),
    }
}

fn ident(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn visibility(item: &Item) -> Option<&Visibility> {
    match item {
        Item::Const(item) => Some(&item.vis),
        Item::Enum(item) => Some(&item.vis),
        Item::Fn(item) => Some(&item.vis),
        Item::Mod(item) => Some(&item.vis),
        Item::Static(item) => Some(&item.vis),
        Item::Struct(item) => Some(&item.vis),
        Item::Trait(item) => Some(&item.vis),
        Item::Type(item) => Some(&item.vis),
        Item::Use(item) => Some(&item.vis),
        _ => None,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        _ => &[],
    }
}

const fn is_public(visibility: Option<&Visibility>) -> bool {
    matches!(visibility, Some(Visibility::Public(_)))
}

fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("doc") && list.tokens.to_string() == "hidden",
        _ => false,
    })
}

/// Returns the condition under which a module is compiled.
fn condition(attributes: &[Attribute]) -> String {
    let conditions = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::List(list) if list.path.is_ident("cfg") => {
                Some(format!(" if {}", text(&list.tokens)))
            }
            _ => None,
        });
    conditions.collect()
}

/// Returns the attributes that users of a type see: its derived traits, and whether more members may come.
fn shown_attributes(attributes: &[Attribute]) -> String {
    let derives = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"));
    let derived = derives.flat_map(|attribute| {
        let traits = Punctuated::<syn::Path, Token![,]>::parse_terminated;
        attribute.parse_args_with(traits).unwrap()
    });
    let mut derived: Vec<String> = derived.map(|path| last_segment(&path)).collect();
    derived.sort();
    let mut shown = String::new();
    if !derived.is_empty() {
        shown += &format!("#[derive({})] ", derived.join(", "));
    }
    if attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("non_exhaustive"))
    {
        shown += "#[non_exhaustive] ";
    }
    shown
}

/// Returns a trait's name with its generics, however the file imports it.
fn last_segment(path: &syn::Path) -> String {
    path.segments.last().map(text).unwrap_or_default()
}
