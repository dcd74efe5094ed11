//! Structure of the source: the imports between files have no cycles.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{ItemUse, UseTree, Visibility};

type Module = Vec<String>;

/// The paths that a file names, and what it calls the modules that it imports.
struct Named<'a> {
    within: &'a [String],
    paths: BTreeSet<Module>,
    aliases: BTreeMap<String, Module>,
}

impl Named<'_> {
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let parent = |of: &[String]| of.split_last().map(|(_, above)| above.to_vec());
        let from = match first.as_str() {
            "crate" => Vec::new(),
            "self" => self.within.to_vec(),
            "super" => {
                let ups = path.iter().take_while(|name| *name == "super").count();
                let base = (0..ups).try_fold(self.within.to_vec(), |at, _| parent(&at))?;
                return Some([base, path.iter().skip(ups).cloned().collect()].concat());
            }
            alias => self.aliases.get(alias)?.clone(),
        };
        Some([from, rest.to_vec()].concat())
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: String| [before.to_vec(), vec![name]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(path.ident.to_string())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.import(tree, before)),
            UseTree::Glob(_) => self.paths.extend(self.absolute(before)),
            UseTree::Name(name) if name.ident == "self" => self.bind(before.to_vec(), None),
            UseTree::Name(name) => self.bind(with(name.ident.to_string()), None),
            UseTree::Rename(rename) => {
                self.bind(with(rename.ident.to_string()), Some(rename.rename.to_string()));
            }
        }
    }

    fn bind(&mut self, path: Vec<String>, alias: Option<String>) {
        if let (Some(absolute), Some(last)) = (self.absolute(&path), path.last()) {
            self.aliases.insert(alias.unwrap_or_else(|| last.clone()), absolute.clone());
            self.paths.insert(absolute);
        }
    }
}

impl<'ast> Visit<'ast> for Named<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, &[]);
    }

    /// Who may see an item is no import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.paths.extend(self.absolute(&names));
        visit::visit_path(self, path);
    }
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Each file of a module, without its tests, by its path in the crate.
fn parsed(top: &str) -> BTreeMap<Module, syn::File> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    files(&source.join(top), &mut found);
    let parse = |path: PathBuf| {
        let relative = path.strip_prefix(&source).unwrap().with_extension("");
        let mut module: Module =
            relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        module.pop_if(|last| last == "mod");
        let mut file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        file.items.retain(|item| !matches!(item, syn::Item::Mod(inner) if inner.ident == "tests"));
        (module, file)
    };
    found.into_iter().map(parse).collect()
}

/// Returns which files each file of a module imports from, past the names that a parent gives them again.
fn imports(top: &str) -> BTreeMap<Module, BTreeSet<Module>> {
    let files = parsed(top);
    let mut given_again = BTreeMap::new();
    for (module, file) in files.iter().filter(|(module, _)| {
        files.keys().any(|other| other.len() > module.len() && other.starts_with(module))
    }) {
        for item in &file.items {
            if let syn::Item::Use(item) = item
                && !matches!(item.vis, Visibility::Inherited)
            {
                let mut named =
                    Named { within: module, paths: BTreeSet::new(), aliases: BTreeMap::new() };
                let children = files
                    .keys()
                    .filter(|other| matches!(other.strip_prefix(module.as_slice()), Some([_])));
                named.aliases =
                    children.map(|child| (child.last().unwrap().clone(), child.clone())).collect();
                named.visit_item_use(item);
                let own = |name: String| [module.clone(), vec![name]].concat();
                given_again.extend(
                    named
                        .aliases
                        .into_iter()
                        .map(|(name, is)| (own(name), is))
                        .filter(|(name, is)| name != is),
                );
            }
        }
    }
    let home = |path: &Module| {
        let mut path = path.clone();
        for length in (1..=path.len()).rev() {
            if let Some(is) = given_again.get(path.get(..length).unwrap()) {
                path = [is.clone(), path.get(length..).unwrap().to_vec()].concat();
                break;
            }
        }
        (1..=path.len())
            .rev()
            .map(|length| path.get(..length).unwrap().to_vec())
            .find(|start| files.contains_key(start))
    };
    let imported = |(module, file): (&Module, &syn::File)| {
        let mut named = Named { within: module, paths: BTreeSet::new(), aliases: BTreeMap::new() };
        let is_given_again = |item: &syn::Item| matches!(item, syn::Item::Use(item) if !matches!(item.vis, Visibility::Inherited));
        for item in &file.items {
            if !is_given_again(item)
                || !given_again
                    .keys()
                    .any(|name| matches!(name.strip_prefix(module.as_slice()), Some([_])))
            {
                named.visit_item(item);
            }
        }
        let from = named.paths.iter().filter_map(home).filter(|from| from != module);
        (module.clone(), from.collect())
    };
    files.iter().map(imported).collect()
}

/// Returns every file from which one comes back to it.
fn in_circles(top: &str) -> BTreeSet<String> {
    let imports = imports(top);
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > imports.len(), "few were read");
    let reached = |from: &Module| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            // A module of its own, not the whole of the policy.
            next.extend(imports[module].iter().filter(|to| to.len() > 1 && seen.insert(*to)));
        }
        seen.contains(from)
    };
    let files = imports.keys().filter(|file| file.len() > 1 && reached(file));
    files.map(|file| file[1..].join("::")).collect()
}

#[test]
fn no_file_of_the_configuration_imports_itself_by_others() {
    assert_eq!(in_circles("config"), BTreeSet::new());
}

#[test]
fn no_file_of_the_policy_imports_itself_by_others() {
    assert_eq!(in_circles("policy"), BTreeSet::new());
}
