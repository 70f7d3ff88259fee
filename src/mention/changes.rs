//! Which documents two catalogs may read differently.
//!
//! Owns a scan far cheaper than detection. It may name a document that reads the same, never miss one that does not:
//! whatever a changed asset or blocker decides, it decides where one of its spellings stands.

use std::collections::{BTreeMap, BTreeSet};

use super::detector::rules;
use super::html::visible_text;
use super::judge::is_lower;
use super::lexicon::Lexicon;
use super::scan::scan;
use super::{ContentType, Document, words};
use crate::catalog::{AssetRecord, Catalog, CatalogFile, Subject, diff};

/// What changed between two catalogs, ready to be looked for.
#[derive(Debug)]
pub struct Changes {
    lexicon: Lexicon,
    assets: usize,
    blockers: usize,
}

/// Fields that no mention depends on.
const UNREAD: &[&str] = &["markets", "unverified", "per", "symbol_why", "name_why"];

impl Changes {
    /// What to look for where `after` takes the place of `before`.
    pub fn between(before: &Catalog, after: &Catalog) -> Self {
        let changes = diff(before.file(), after.file());
        let shared = [shared_surfaces(before.file()), shared_surfaces(after.file())];
        let (mut ids, mut texts) = (BTreeSet::new(), BTreeSet::new());
        for change in &changes {
            match (change.subject, change.field.as_deref()) {
                // A rank decides only between two that share a spelling.
                (Subject::Asset, Some("rank")) => {
                    if shared.iter().any(|shared| shared.contains(change.id.as_str())) {
                        ids.insert(change.id.as_str());
                    }
                }
                (Subject::Asset, Some(field))
                    if UNREAD.contains(&field.split('.').next().unwrap_or(field)) => {}
                (Subject::Asset, _) => {
                    ids.insert(change.id.as_str());
                }
                (Subject::Blocker, _) => {
                    texts.insert(change.id.as_str());
                }
                // A pin decides what a person means who asks by ticker.
                (Subject::Pin, _) => {}
            }
        }
        let mut file = CatalogFile { assets: Vec::new(), blockers: Vec::new(), ..after.file().clone() };
        for old_or_new in [before, after] {
            let assets = old_or_new.assets().iter().filter(|asset| ids.contains(asset.id.as_str()));
            // Words beside a mention decide nothing where there is none.
            let bare = |asset: &AssetRecord| AssetRecord {
                context: Vec::new(),
                against: Vec::new(),
                ..asset.clone()
            };
            file.assets.extend(assets.map(bare));
            let blockers = old_or_new.file().blockers.iter();
            file.blockers.extend(blockers.filter(|blocker| texts.contains(blocker.text.as_str())).cloned());
        }
        let words = rules().words.pairs_alone();
        let lexicon = Lexicon::new(&Catalog::from_file(file), &words);
        Self { lexicon, assets: ids.len(), blockers: texts.len() }
    }

    /// How many assets and how many blockers may be read differently.
    pub fn counts(&self) -> (usize, usize) {
        (self.assets, self.blockers)
    }

    /// Whether `document` may be read differently.
    pub fn may_touch(&self, document: &Document) -> bool {
        if self.assets + self.blockers == 0 {
            return false;
        }
        if self.stands_in(&document.title) {
            return true;
        }
        match document.content_type {
            ContentType::Plain => self.stands_in(&document.body),
            ContentType::Html => self.stands_in(&visible_text(&document.body).text),
        }
    }

    fn stands_in(&self, text: &str) -> bool {
        let mut seen = false;
        scan(&self.lexicon, text, is_lower(text), &mut |_| seen = true);
        self.lexicon.contracts.find(text, |_, _, _| seen = true);
        seen
    }
}

/// The assets of which a spelling belongs to another one, too.
fn shared_surfaces(file: &CatalogFile) -> BTreeSet<&str> {
    let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for asset in &file.assets {
        let aliases = asset.aliases.iter().map(|alias| alias.text.as_str());
        let former = asset.formerly.iter().flat_map(|former| [&former.symbol, &former.name]);
        let former = former.filter_map(|surface| surface.as_deref());
        for surface in [asset.symbol.as_str(), &asset.name].into_iter().chain(aliases).chain(former) {
            owners.entry(words::fold(surface)).or_default().insert(&asset.id);
        }
    }
    owners.into_values().filter(|ids| ids.len() > 1).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAY: &str = r#"
[[asset]]
id = "newcomer"
symbol = "NWCMR"
name = "Newcomer Chain"
symbol_class = "b"
name_class = "a"
[[blocker]]
text = "Solana Beach"
kind = "place"
case = "any"
"#;

    #[test]
    fn a_document_is_touched_where_a_changed_spelling_stands() {
        let before = Catalog::builtin();
        let after = before.with_overlay(OVERLAY).unwrap();
        let changes = Changes::between(&before, &after);
        assert_eq!(changes.counts(), (1, 1));
        let document = |body: &str, content_type| Document {
            body: body.to_owned(),
            content_type,
            ..Document::default()
        };
        for (body, touched) in [
            ("Bitcoin and Solana rose", false),
            ("The $NWCMR token", true),
            ("the newcomer\n chain", true),
            ("a house in SOLANA-Beach", false),
            ("a house in Solana  Beach", true),
            ("ＮＥＷＣＯＭＥＲ chain", true),
            ("newcomers in the chain", false),
        ] {
            assert_eq!(changes.may_touch(&document(body, ContentType::Plain)), touched, "{body}");
        }
        let html = document("<p>New<b>comer</b> Ch&#97;in", ContentType::Html);
        assert!(changes.may_touch(&html));
        assert!(!Changes::between(&before, &before).may_touch(&html));
    }
}
