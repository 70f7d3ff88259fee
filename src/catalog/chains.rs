//! Chains whose contract addresses are read: their names in the catalog, their CAIP-2 ids, and how their addresses
//! are written.
//!
//! Owns the table and the form of addresses. Never knows which token lives where.

use sha3::{Digest as _, Keccak256};

/// A chain with contracts.
#[derive(Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name in `addresses` of the catalog: CoinGecko's id of the platform.
    pub name: &'static str,
    /// CAIP-2 id.
    pub caip2: &'static str,
    /// How its addresses are written.
    pub form: AddressForm,
}

/// How addresses of a chain are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressForm {
    /// `0x` and 40 hexadecimal digits; in mixed case their case is a checksum (EIP-55).
    Evm,
    /// 32 bytes in base 58.
    Solana,
}

const fn evm(name: &'static str, caip2: &'static str) -> Chain {
    Chain { name, caip2, form: AddressForm::Evm }
}

/// Most used first: of a token that has the same address on several chains, the first one is named.
/// EVM ids are those of the `ethereum-lists/chains` registry; Solana's is the hash of its genesis block (CAIP-30).
pub const CHAINS: &[Chain] = &[
    evm("ethereum", "eip155:1"),
    evm("binance-smart-chain", "eip155:56"),
    evm("base", "eip155:8453"),
    evm("arbitrum-one", "eip155:42161"),
    evm("polygon-pos", "eip155:137"),
    evm("optimistic-ethereum", "eip155:10"),
    evm("avalanche", "eip155:43114"),
    evm("linea", "eip155:59144"),
    evm("zksync", "eip155:324"),
    evm("scroll", "eip155:534352"),
    evm("blast", "eip155:81457"),
    evm("mantle", "eip155:5000"),
    evm("sonic", "eip155:146"),
    evm("fantom", "eip155:250"),
    evm("xdai", "eip155:100"),
    evm("celo", "eip155:42220"),
    evm("cronos", "eip155:25"),
    evm("moonbeam", "eip155:1284"),
    evm("moonriver", "eip155:1285"),
    evm("aurora", "eip155:1313161554"),
    evm("metis-andromeda", "eip155:1088"),
    evm("polygon-zkevm", "eip155:1101"),
    Chain { name: "solana", caip2: "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", form: AddressForm::Solana },
];

impl Chain {
    /// The chain of this name; `None` if addresses of it are not read.
    pub fn find(name: &str) -> Option<&'static Self> {
        CHAINS.iter().find(|chain| chain.name == name)
    }

    /// Whether `address` is written as its addresses are, with the right checksum if it bears one.
    pub fn holds(&self, address: &str) -> bool {
        self.form.fits(address) && (self.form != AddressForm::Evm || checksum_holds(address))
    }

    /// The CAIP-19 id of the token at `address`.
    pub fn caip19(&self, address: &str) -> String {
        match self.form {
            AddressForm::Evm => format!("{}/erc20:{}", self.caip2, with_checksum(address)),
            AddressForm::Solana => format!("{}/token:{address}", self.caip2),
        }
    }
}

impl AddressForm {
    /// Whether a word looks like an address of this form; checksums are not looked at.
    pub fn fits(self, word: &str) -> bool {
        match self {
            Self::Evm => word
                .strip_prefix("0x")
                .is_some_and(|digits| digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit())),
            Self::Solana => (32..=44).contains(&word.len()) && word.bytes().all(is_base_58),
        }
    }

    /// The spelling under which equal addresses are equal.
    pub fn key(self, address: &str) -> String {
        match self {
            Self::Evm => address.to_ascii_lowercase(),
            Self::Solana => address.to_owned(),
        }
    }
}

/// Digits and letters without 0, O, I and l.
fn is_base_58(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() && !matches!(byte, b'0' | b'O' | b'I' | b'l')
}

/// Whether an EVM address bears no checksum (its letters are in one case) or the right one.
pub fn checksum_holds(address: &str) -> bool {
    let digits = address.as_bytes().get(2..).unwrap_or_default();
    let bears_one = digits.iter().any(u8::is_ascii_lowercase) && digits.iter().any(u8::is_ascii_uppercase);
    !bears_one || with_checksum(address) == address
}

/// An EVM address with the checksum of EIP-55.
fn with_checksum(address: &str) -> String {
    let digits = address.to_ascii_lowercase().split_off(2);
    let hash = Keccak256::digest(&digits);
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    let cased =
        digits.chars().zip(nibbles).map(|(c, nibble)| if nibble >= 8 { c.to_ascii_uppercase() } else { c });
    format!("0x{}", cased.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of EIP-55.
    const CHECKED: [&str; 4] = [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn checksums_are_those_of_the_standard() {
        for address in CHECKED {
            assert!(checksum_holds(address), "{address}");
            assert!(checksum_holds(&address.to_lowercase()), "no checksum is no wrong one");
            let wrong = address.replacen('D', "d", 1).replacen('B', "b", 1);
            assert!(!checksum_holds(&wrong), "{wrong}");
        }
    }

    #[test]
    fn every_chain_stands_once_and_has_a_caip_2_id() {
        for (at, chain) in CHAINS.iter().enumerate() {
            assert_eq!(Chain::find(chain.name).map(|found| found.caip2), Some(chain.caip2));
            assert!(CHAINS[..at].iter().all(|other| other.caip2 != chain.caip2));
            let (namespace, reference) = chain.caip2.split_once(':').unwrap();
            assert!((3..=8).contains(&namespace.len()) && (1..=32).contains(&reference.len()));
        }
    }

    #[test]
    fn addresses_have_their_form() {
        let solana = Chain::find("solana").unwrap();
        assert!(solana.holds(&"9".repeat(44)));
        assert!(!solana.holds(&"0".repeat(44)) && !solana.holds(&"9".repeat(31)));
        let ethereum = Chain::find("ethereum").unwrap();
        assert_eq!(ethereum.caip19(&CHECKED[0].to_lowercase()), format!("eip155:1/erc20:{}", CHECKED[0]));
    }
}
