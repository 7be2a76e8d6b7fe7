//! Whether the files of a crate import each other in one direction only. Tests of several crates
//! include this file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A module's path below the crate, e.g. `["ops", "ml", "forest"]`; empty for the crate itself.
type Module = Vec<String>;

/// The text of every file of `src` without its comments, by its module.
fn sources(folder: &str) -> BTreeMap<Module, String> {
    let root = Path::new(folder).join("src");
    let mut sources = BTreeMap::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in folder.read_dir().expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a file of text");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            let below = path.strip_prefix(&root).expect("a path in src").with_extension("");
            let module = below.iter().map(|part| part.to_string_lossy().into_owned());
            let module: Module = module.filter(|part| part != "lib" && part != "main").collect();
            // A crate may be a library and a command.
            sources.entry(module).or_insert_with(String::new).push_str(&code);
        }
    }
    sources
}

/// The modules that a file names, in `use` and elsewhere, apart from itself.
fn imports(module: &Module, code: &str, all: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let mut paths = Vec::new();
    for (start, prefix) in code.match_indices("crate::") {
        read_paths(&mut tokens(&code[start + prefix.len()..]), Vec::new(), &mut paths);
    }
    for (start, prefix) in code.match_indices("use ") {
        let path = &code[start + prefix.len()..];
        let mut path = tokens(path.strip_prefix("self::").unwrap_or(path));
        // Of a module that this one declares.
        let child = path.clone().next().is_some_and(|first| {
            all.contains_key(&[&module[..], &[first.to_owned()]].concat()) && first != "lib"
        });
        if child {
            read_paths(&mut path, module.clone(), &mut paths);
        }
    }
    let of = |path: Module| {
        let lengths = (0..=path.len()).rev();
        lengths.map(|length| path[..length].to_vec()).find(|prefix| all.contains_key(prefix))
    };
    paths.into_iter().filter_map(of).filter(|found| found != module).collect()
}

/// The names and the signs `::`, `{`, `}` and `,` of a text, up to anything else.
fn tokens(text: &str) -> impl Iterator<Item = &str> + Clone {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let length = match rest.chars().next()? {
            ':' if rest.starts_with("::") => 2,
            '{' | '}' | ',' => 1,
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            _ => return None,
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}

/// Reads a tree such as `a::{b, c::d}` into its paths. Gives the sign after it.
fn read_paths<'a>(
    tokens: &mut impl Iterator<Item = &'a str>,
    mut path: Module,
    paths: &mut Vec<Module>,
) -> Option<&'a str> {
    loop {
        match tokens.next()? {
            "{" => {
                while read_paths(tokens, path.clone(), paths) == Some(",") {}
                return tokens.next();
            }
            "}" => return Some("}"),
            name => path.push(name.to_owned()),
        }
        let sign = tokens.next();
        if sign != Some("::") {
            paths.push(path);
            return sign;
        }
    }
}

/// Fails where files of the crate in a folder import each other in a circle.
pub(crate) fn refuse(folder: &str) {
    let sources = sources(folder);
    let mut left: BTreeMap<&Module, BTreeSet<Module>> =
        sources.iter().map(|(module, code)| (module, imports(module, code, &sources))).collect();
    assert!(left.values().map(BTreeSet::len).sum::<usize>() > 100, "imports are found");
    // What imports nothing that is left cannot be part of a circle.
    loop {
        let modules: BTreeSet<Module> = left.keys().copied().cloned().collect();
        left.values_mut().for_each(|imports| imports.retain(|import| modules.contains(import)));
        left.retain(|_, imports| !imports.is_empty());
        if left.len() == modules.len() {
            break;
        }
    }
    let shown = left.iter().map(|(module, imports)| {
        let imports: Vec<String> = imports.iter().map(|import| import.join("::")).collect();
        format!("{} imports {}", module.join("::"), imports.join(", "))
    });
    let shown: Vec<String> = shown.collect();
    assert!(shown.is_empty(), "in a circle, or above one:\n{}", shown.join("\n"));
}

#[test]
fn imports_are_read_from_use_lines_and_from_paths() {
    let module = |path: &str| path.split("::").map(str::to_owned).collect::<Module>();
    let names = ["", "a", "a::b", "a::c", "d", "e"];
    let all: BTreeMap<Module, String> = names
        .map(|name| if name.is_empty() { Vec::new() } else { module(name) })
        .map(|module| (module, String::new()))
        .into();
    let code = "use b::X;\nuse self::c::V;\nuse std::fmt;\npub(crate) use crate::{a::{g::Y, f}, d};\n\
                fn g() -> crate::e::E {}";
    let expected = ["a::b", "a::c", "d", "e"].map(module).into();
    assert_eq!(imports(&module("a"), code, &all), expected);
    assert_eq!(imports(&module("d"), "crate::SEMANTICS", &all), [Vec::new()].into());
}
