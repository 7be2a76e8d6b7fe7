//! No file of this crate imports what imports it, over any number of others: each can be read with
//! only the files in mind that it names. That a parent declares its children does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files, by the paths of their modules: `http::problem` is `http/problem.rs`.
fn modules(folder: &Path, parent: &str, modules: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = if parent.is_empty() { stem.to_owned() } else { format!("{parent}::{stem}") };
        if path.is_dir() {
            self::modules(&path, &name, modules);
        } else {
            let name = if name == "lib" { String::new() } else { name };
            modules.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The paths that a file imports, without `crate::`.
fn imports(text: &str) -> Vec<String> {
    let statements = text.split("use crate::").skip(1);
    let statements = statements.filter_map(|rest| rest.split_once(';'));
    statements.flat_map(|(tree, _)| expanded(tree)).collect()
}

/// `a::{b,c::{d,e}}` is `a::b`, `a::c::d` and `a::c::e`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        let name = tree.split_whitespace().next();
        return name.into_iter().map(str::to_owned).collect();
    };
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (i, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                members.extend(expanded(&rest[start..i]));
                start = i + 1;
            }
            _ => {}
        }
    }
    members
        .iter()
        .filter(|member| !member.is_empty())
        .map(|member| format!("{}{member}", prefix.trim()))
        .collect()
}

/// The module that a path is in: the longest of its beginnings that is a file.
fn module<'m>(path: &str, modules: &'m BTreeMap<String, String>) -> &'m str {
    let ends = path.match_indices("::").map(|(end, _)| end).chain([path.len()]);
    let found = ends.filter_map(|end| modules.get_key_value(&path[..end])).last();
    found.map_or("", |(name, _)| name)
}

/// A way from a module back to itself, if there is one.
fn circle<'m>(
    from: &'m str,
    arrows: &BTreeMap<&'m str, BTreeSet<&'m str>>,
    way: &mut Vec<&'m str>,
    done: &mut BTreeSet<&'m str>,
) -> bool {
    let is_circle = way.contains(&from);
    way.push(from);
    if is_circle || done.insert(from) && arrows[from].iter().any(|to| circle(to, arrows, way, done))
    {
        return true;
    }
    way.pop();
    false
}

#[test]
fn no_files_import_each_other() {
    let mut files = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    assert!(files.len() > 30, "{:?}", files.keys());
    let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, text) in &files {
        let imported = imports(text);
        let imported = imported.iter().map(|path| module(path, &files)).filter(|to| to != name);
        arrows.insert(name, imported.collect());
    }
    let mut done = BTreeSet::new();
    for from in arrows.keys() {
        let mut way = Vec::new();
        assert!(!circle(from, &arrows, &mut way, &mut done), "{}", way.join(" -> "));
    }
}

#[test]
fn trees_of_imports_are_expanded() {
    assert_eq!(expanded("a::b"), ["a::b"]);
    assert_eq!(expanded("a::{b,c::{d,e},}"), ["a::b", "a::c::d", "a::c::e"]);
    assert_eq!(imports("use crate::a as b;"), ["a"]);
    assert_eq!(imports("use crate::a::{\n    self, B,\n};\nuse std::x;"), ["a::self", "a::B"]);
}
