//! Contract addresses in a text: `0x…` of the EVM chains and the base-58 addresses of Solana.
//!
//! Owns which words are addresses of the catalog's tokens. The catalog has none of its own: they come by sync or
//! overlay, and without them nothing is looked for. Never asks a chain.

use std::collections::HashMap;
use std::ops::Range;

use super::evidence::{Evidence, EvidenceSet};
use super::lexicon::{Claim, Role};
use super::words::is_ascii_word;
use crate::catalog::{AddressForm, CHAINS, CaseRule, Catalog, Class, checksum_holds};

/// The addresses of the catalog's tokens: address without case → the tokens there.
#[derive(Debug, Default)]
pub(super) struct Contracts(HashMap<String, Vec<Claim>>);

/// The lengths of the words that can be addresses.
const LENGTHS: Range<usize> = 32..45;

impl Contracts {
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut claims: HashMap<String, Vec<Claim>> = HashMap::new();
        // By chains, so that of several the one that is used most gives its name.
        for chain in CHAINS {
            for token in catalog.indices() {
                let Some(address) = catalog.asset(token).addresses.get(chain.name) else { continue };
                let there = claims.entry(chain.form.key(address)).or_default();
                if there.iter().all(|claim| claim.token != token) {
                    there.push(claim(token, &chain.caip19(address)));
                }
            }
        }
        Self(claims)
    }

    /// Calls `hit` for every address of a token, with its tokens and whether its checksum holds.
    pub(super) fn find<'l>(&'l self, text: &str, mut hit: impl FnMut(Range<usize>, &'l [Claim], bool)) {
        if self.0.is_empty() {
            return;
        }
        let mut start = 0;
        for run in text.as_bytes().split(|byte| !is_ascii_word(*byte)) {
            let range = start..start + run.len();
            start = range.end + 1;
            if !LENGTHS.contains(&run.len()) {
                continue;
            }
            let word = &text[range.clone()];
            let form = if word.starts_with("0x") { AddressForm::Evm } else { AddressForm::Solana };
            if form.fits(word)
                && let Some(claims) = self.0.get(&form.key(word))
            {
                hit(range, claims, form != AddressForm::Evm || checksum_holds(word));
            }
        }
    }
}

fn claim(token: crate::catalog::TokenIndex, caip19: &str) -> Claim {
    let mut heeds = EvidenceSet::default();
    heeds.add(Evidence::ContractAddress);
    heeds.add(Evidence::WrongChecksum);
    Claim {
        token,
        role: Role::Address,
        class: Class::A,
        case: CaseRule::Any,
        written: caip19.into(),
        says: Evidence::ContractAddress,
        heeds,
        phrases: false,
        until: None,
    }
}
