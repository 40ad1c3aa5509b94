//! The modules of a crate as they are in its files, with the items of its own macros.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Attribute, Item, Meta};

/// A path within the crate: `["web", "cookies"]`, and `[]` for the root.
pub(super) type Module = Vec<String>;

/// Parses every module below `src`, but for those of tests.
pub(super) fn parse(src: &Path) -> BTreeMap<Module, Vec<Item>> {
    let mut modules = BTreeMap::new();
    add_file(&src.join("lib.rs"), src, Vec::new(), &mut modules);
    modules
}

fn add_file(file: &Path, folder: &Path, module: Module, modules: &mut BTreeMap<Module, Vec<Item>>) {
    let parsed = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
    let items = expand(parsed.items);
    for item in &items {
        let Item::Mod(child) = item else { continue };
        if is_for_tests(&child.attrs) {
            continue;
        }
        let name = child.ident.to_string();
        let folder = folder.join(&name);
        let alone = folder.with_extension("rs");
        let inner = [&module[..], &[name]].concat();
        match &child.content {
            Some((_, items)) => {
                modules.insert(inner, items.clone());
            }
            None if alone.exists() => add_file(&alone, &folder, inner, modules),
            None => add_file(&folder.join("mod.rs"), &folder, inner, modules),
        }
    }
    modules.insert(module, items);
}

/// Whether a module is compiled for tests alone.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    let conditions = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::List(list) if list.path.is_ident("cfg") => Some(list.tokens.to_string()),
            _ => None,
        });
    conditions
        .into_iter()
        .any(|condition| ["test", "doctest"].contains(&&*condition))
}

/// Puts the items that the file's own macros make in the place of the macros' calls.
fn expand(items: Vec<Item>) -> Vec<Item> {
    let mut macros = BTreeMap::new();
    let mut expanded = Vec::new();
    for item in items {
        match item {
            Item::Macro(made) if made.ident.is_some() => {
                macros.insert(made.ident.unwrap().to_string(), made.mac.tokens);
            }
            Item::Macro(call) => {
                let name = call.mac.path.get_ident().map(ToString::to_string);
                if let Some(rules) = name.and_then(|name| macros.get(&name)) {
                    let code = substitute(rules.clone(), call.mac.tokens);
                    expanded.extend(syn::parse2::<syn::File>(code).unwrap().items);
                }
            }
            item => expanded.push(item),
        }
    }
    expanded
}

/// Expands a macro of one rule whose parameters are attributes first, then fragments with commas between them.
fn substitute(rules: TokenStream, call: TokenStream) -> TokenStream {
    let groups: Vec<Group> = groups(rules).collect();
    let [pattern, body] = &groups[..] else {
        panic!("a macro that makes public items has one rule")
    };
    let names = pattern.stream().into_iter().collect::<Vec<TokenTree>>();
    let names = names.windows(2).filter_map(|pair| match pair {
        [TokenTree::Punct(dollar), TokenTree::Ident(name)] if dollar.as_char() == '$' => {
            Some(name.to_string())
        }
        _ => None,
    });
    let values = arguments(call);
    fill(body.stream(), &names.zip(values).collect())
}

fn groups(tokens: TokenStream) -> impl Iterator<Item = Group> {
    tokens.into_iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group),
        _ => None,
    })
}

/// Splits a call at its commas, without the attributes before it.
fn arguments(call: TokenStream) -> Vec<TokenStream> {
    let tokens: Vec<TokenTree> = call.into_iter().collect();
    let is_attribute = |pair: &[TokenTree]| matches!(pair, [TokenTree::Punct(hash), TokenTree::Group(_)] if hash.as_char() == '#');
    let attributes = tokens
        .chunks(2)
        .take_while(|pair| is_attribute(pair))
        .count();
    let values = tokens[2 * attributes..]
        .split(|token| matches!(token, TokenTree::Punct(comma) if comma.as_char() == ','));
    values
        .map(|value| value.iter().cloned().collect())
        .collect()
}

/// Puts the values in the place of `$name`, and leaves out repetitions, which are attributes.
fn fill(body: TokenStream, values: &BTreeMap<String, TokenStream>) -> TokenStream {
    let mut filled = TokenStream::new();
    let mut tokens = body.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(dollar) if dollar.as_char() == '$' => match tokens.next() {
                Some(TokenTree::Ident(name)) => filled.extend(values[&name.to_string()].clone()),
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
                    tokens.next();
                }
                odd => panic!("${odd:?}"),
            },
            TokenTree::Group(group) => {
                let inner = fill(group.stream(), values);
                filled.extend([TokenTree::Group(Group::new(group.delimiter(), inner))]);
            }
            token => filled.extend([token]),
        }
    }
    filled
}
