//! What is a mention and what is not, as marked text: carets under each mention, then its token id.

use std::sync::LazyLock;

use cointag::catalog::Catalog;
use cointag::mention::{ContentType, Detector, Document, Field, Kind, Meant, OffsetUnit, Options};

pub(crate) static DETECTOR: LazyLock<Detector> = LazyLock::new(|| Detector::new(Catalog::builtin()));

/// Checks a marked text: a line of carets and token ids marks the line above it. Lines without marks
/// mention nothing. The lines are the body of one document.
#[track_caller]
fn check(marked: &str) {
    check_document(marked, Document::default());
}

#[track_caller]
fn check_at(date: &str, marked: &str) {
    let published_at = Some(format!("{date}T12:00:00Z").parse().unwrap());
    check_document(marked, Document { published_at, ..Document::default() });
}

#[track_caller]
fn check_document(marked: &str, document: Document) {
    let lines: Vec<&str> = marked.lines().filter(|line| !is_marks(line)).collect();
    let body = lines.join("\n");
    let options = Options { offset_unit: OffsetUnit::Codepoints, explain: true, ..Options::default() };
    let detection = DETECTOR.detect(&Document { body: body.clone(), ..document }, &options);
    let mut line_starts = vec![0];
    for line in &lines {
        line_starts.push(line_starts.last().unwrap() + line.chars().count() + 1);
    }
    let mut found = String::new();
    for (line, start) in lines.iter().zip(&line_starts) {
        found.push_str(line);
        found.push('\n');
        let end = start + line.chars().count();
        let mut marks = String::new();
        for mention in &detection.found {
            let Meant::Token(token) = mention.meant else { continue };
            let (from, to) = (mention.place.start as usize, mention.place.end as usize);
            if (*start..=end).contains(&from) && from < end {
                let column = from - start;
                let filled = marks.chars().count();
                // Two marks closer than an id is long: the id makes way.
                marks.extend(std::iter::repeat_n(' ', column.saturating_sub(filled)));
                marks.push_str(&"^".repeat(to - from));
                marks.push(' ');
                marks.push_str(&DETECTOR.catalog().asset(token).id);
                marks.push(' ');
            }
        }
        if !marks.is_empty() {
            found.push_str(marks.trim_end());
            found.push('\n');
        }
    }
    let turned: Vec<String> = detection
        .turned_down
        .iter()
        .map(|turned| format!("{} {:?} {}", turned.place.surface, turned.evidence.names(), turned.reason))
        .collect();
    let expected: String = marked.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    assert_eq!(found, expected, "\nfound:\n{found}\nexpected:\n{expected}\nnot believed: {turned:#?}");
}

fn is_marks(line: &str) -> bool {
    line.trim_start().starts_with('^')
}

#[test]
fn names_and_tickers_are_found_in_their_own_case() {
    check(
        "\
Bitcoin fell while XRP and dogecoin rose.
^^^^^^^ bitcoin    ^^^ ripple ^^^^^^^^ dogecoin
",
    );
}

#[test]
fn cashtags_work_in_any_case_and_money_is_no_cashtag() {
    check(
        "\
A token rally: $near and $sol rose, $1B left the coin, $1INCH held.
                ^^^^ near ^^^ solana                    ^^^^^ 1inch
",
    );
}

#[test]
fn a_ticker_that_is_an_english_word_needs_capitals_or_a_cashtag() {
    check(
        "\
The pair is near its high; NEAR and $near rose with the token market of crypto.
                           ^^^^ near ^^^^ near
",
    );
}

#[test]
fn words_that_only_look_like_tickers_are_none() {
    check(
        "\
One of the AI firms can link the data, and the sun is near the sea. ID, IP and IO are short.
",
    );
}

#[test]
fn a_longer_name_hides_the_shorter_one() {
    check(
        "\
Bitcoin Cash and Ethereum Classic are no Bitcoin and no Ethereum.
^^^^^^^^^^^^ bitcoin-cash ^^^^^^^^^^^^^^^^ ethereum-classic ^^^^^^^ bitcoin ^^^^^^^^ ethereum
",
    );
}

#[test]
fn possessives_plurals_and_compounds_keep_the_name() {
    check(
        "\
Bitcoin’s rally and Ethereum-based coins; three bitcoins.
^^^^^^^ bitcoin     ^^^^^^^^ ethereum           ^^^^^^^^ bitcoin
",
    );
}

#[test]
fn name_with_ticker_establishes_even_a_one_letter_ticker() {
    check(
        "\
Sonic (S) rose after the token swap.
^^^^^ sonic-3 ^ sonic-3
",
    );
}

#[test]
fn pairs_are_two_mentions() {
    check(
        "\
BTC/USDT and SOLUSDT and ETH-USD traded.
^^^ bitcoin ^^^^ tether ^^^ solana ^^^^ tether ^^^ ethereum
",
    );
}

#[test]
fn stock_listings_are_no_tokens() {
    check(
        "\
Sun Communities (NYSE: SUI) and Seagate (NASDAQ: STX) fell as crypto and bitcoin miners rose.
                                                                         ^^^^^^^ bitcoin
",
    );
}

#[test]
fn abbreviations_addresses_and_handles_are_no_tokens() {
    check(
        "\
The U.S. law, see https://bitcoin.org/near and uniswap.org, mail eth@example.com, follow @solana.
",
    );
}

#[test]
fn companies_and_people_consume_their_words() {
    check(
        "\
Justin Sun and Ripple Labs met Binance over a token listing and crypto law.
",
    );
}

#[test]
fn a_renamed_ticker_means_what_it_meant_at_the_date() {
    let text = "The token LUNA fell as the Terra blockchain halted, crypto traders said.";
    let at = |date: &str| {
        let document = Document {
            body: text.into(),
            published_at: Some(format!("{date}T00:00:00Z").parse().unwrap()),
            ..Document::default()
        };
        let found = DETECTOR.detect(&document, &Options::default()).found;
        let Meant::Token(token) = found[0].meant else { panic!("a token") };
        DETECTOR.catalog().asset(token).id.clone()
    };
    assert_eq!(at("2022-05-10"), "terra-luna");
    assert_eq!(at("2024-03-01"), "terra-luna-2");
    check_at(
        "2021-03-01",
        "\
The token MATIC rose with crypto.
          ^^^^^ polygon-ecosystem-token
",
    );
}

#[test]
fn names_in_scripts_without_spaces_are_found() {
    check(
        "\
今日比特币价格上涨，以太坊下跌。
  ^^^ bitcoin ^^^ ethereum
",
    );
    check(
        "\
비트코인은 올랐다. Биткоин вырос.
^^^^ bitcoin ^^^^^^^ bitcoin
",
    );
}

#[test]
fn blank_runs_and_dashes_match_and_paragraphs_do_not() {
    check(
        "\
Bitcoin  Cash and Bitcoin\u{a0}Cash
^^^^^^^^^^^^^ bitcoin-cash ^^^^^^^^^^^^ bitcoin-cash
",
    );
    let document = Document { body: "Bitcoin\n\nCash is king".into(), ..Document::default() };
    let found = DETECTOR.detect(&document, &Options::default()).found;
    assert_eq!(found[0].place.surface, "Bitcoin");
}

#[test]
fn the_article_of_the_readme_mentions_bitcoin_alone() {
    let document = Document {
        title: "Can Bitcoin mining fund the AI data center boom? One entity is trying to find out".into(),
        body:
            "DMG Blockchain Solutions mined 69 Bitcoin in fiscal Q2 2026 while pivoting toward AI-ready data \
               center operations to serve Canadian government and enterprise clients. This strategic shift \
               reflects growing convergence between cryptocurrency mining infrastructure and artificial \
               intelligence computing demands. DMG Blockchain mined 69 BTC in Q2 2026."
                .into(),
        ..Document::default()
    };
    let found = DETECTOR.detect(&document, &Options::default());
    let surfaces: Vec<_> =
        found.found.iter().map(|found| (found.place.field, found.place.surface.as_str())).collect();
    assert_eq!(surfaces, [(Field::Title, "Bitcoin"), (Field::Body, "Bitcoin"), (Field::Body, "BTC")]);
    assert_eq!(found.shared, []);
}

#[test]
fn html_is_read_as_its_reader_sees_it() {
    let html = "<html><head><title>Dogecoin</title><script>var Solana</script></head><body>\
                <nav>Cardano</nav><p title='XRP'>Bit<b>coin</b> &amp; Ethereum&#8217;s rally</p>\
                <p>Bitcoin</p><p>Cash</p><footer>Litecoin</footer></body></html>";
    let document = Document { body: html.into(), content_type: ContentType::Html, ..Document::default() };
    let found = DETECTOR.detect(&document, &Options::default()).found;
    let slices: Vec<_> = found
        .iter()
        .map(|found| {
            let place = &found.place;
            (place.surface.as_str(), &html[place.start as usize..place.end as usize])
        })
        .collect();
    assert_eq!(slices, [("Bitcoin", "Bit<b>coin"), ("Ethereum", "Ethereum"), ("Bitcoin", "Bitcoin")]);
}

#[test]
fn explain_tells_why_not() {
    let document =
        Document { body: "Crypto firms fight over IP law, says a coin fund.".into(), ..Document::default() };
    let options = Options { explain: true, ..Options::default() };
    let turned = DETECTOR.detect(&document, &options).turned_down;
    assert!(turned.iter().any(|turned| turned.place.surface == "IP"
        && DETECTOR.catalog().asset(turned.token).symbol == "IP"
        && turned.reason.contains("is below 0.500")));
}

#[test]
fn other_kinds_are_told_apart() {
    let document = Document { body: "Justin Sun met Binance.".into(), ..Document::default() };
    let found = DETECTOR.detect(&document, &Options::default()).found;
    let kinds: Vec<_> = found
        .iter()
        .map(|found| match found.meant {
            Meant::Other(blocker) => DETECTOR.kind_of(blocker),
            Meant::Token(_) => Kind::Token,
        })
        .collect();
    assert_eq!(kinds, [Kind::Person, Kind::Exchange]);
}

#[test]
fn money_is_no_token_on_the_quote_side_of_a_pair() {
    let overlay = "[[asset]]\nid = 'a-won'\nsymbol = 'KRW'\nsymbol_class = 'd'\nsymbol_why = 'money'\nname = 'A Won Coin'\nname_class = 'a'";
    let detector = Detector::new(Catalog::builtin().with_overlay(overlay).unwrap().into());
    for body in ["The XRP/KRW market alone, more than BTC/KRW and ETH/KRW", "SOL-PERP and KRW", "XRPKRW"] {
        let document = Document { body: body.to_owned(), ..Document::default() };
        let found = detector.detect(&document, &Options::default()).found;
        let surfaces: Vec<&str> = found.iter().map(|found| found.place.surface.as_str()).collect();
        assert!(
            !surfaces.is_empty() && !surfaces.contains(&"KRW") && !surfaces.contains(&"PERP"),
            "{surfaces:?}"
        );
    }
}

#[test]
fn a_title_before_a_surname_makes_a_person_of_it() {
    check("Mr Solana met Mrs. Terra at Lake Stellar, and no token was spoken of on the blockchain panel.\n");
}

#[test]
fn a_share_in_brackets_makes_no_ticker_of_a_plain_word() {
    check(
        "\
Some people (75%) and most people - 50% say so of crypto coins; sol (+3%) and near (-2%) moved.
                                                                ^^^ solana    ^^^^ near
",
    );
}

#[test]
fn joining_words_of_a_name_may_be_small() {
    check(
        "\
Book of Meme leads, says a blog on BOOK OF MEME, a memecoin; a book of meme is none.
^^^^^^^^^^^^ book-of-meme          ^^^^^^^^^^^^ book-of-meme
",
    );
}

#[test]
fn another_bearer_of_a_ticker_leaves_the_safe_name_alone() {
    check(
        "\
Dogecoin rose as the Department of Government Efficiency, or DOGE, got its chief.
^^^^^^^^ dogecoin
",
    );
}

#[test]
fn codes_of_trade_and_finance_are_no_tokens() {
    check(
        "\
Bitcoin ATM makers, HFT firms and algo traders quote NAV, ACH payments and the SIX close in CET, says the CLO.
^^^^^^^ bitcoin
",
    );
}

#[test]
fn names_at_the_joint_of_a_title_and_its_text_are_found() {
    check(
        "\
Altcoins pause after a week of gainsBitcoin (BTC) fell 3% and Solana’s SOL 5%, while bitcoin miners sold.
                                    ^^^^^^^ bitcoin ^^^ bitcoin ^^^^^^ solana ^^^ solana ^^^^^^^ bitcoin
",
    );
    check(
        "\
Pension fund sells Bitcoin CashThe crypto bourse said so.
                   ^^^^^^^^^^^^ bitcoin-cash
",
    );
    check("Exchange to list a coin of BitcoinCashiers.\n");
}

#[test]
fn a_known_ticker_of_class_d_is_one_again_further_on() {
    check(
        "\
Harmony (ONE) is a blockchain. The ONE token pays for gas, and one of its holders sold.
^^^^^^^ harmony ^^^ harmony        ^^^ harmony
",
    );
}

#[test]
fn upgrades_are_named_after_their_chain() {
    check(
        "\
Cosmos fans read the ATOM 2.0 paper while Polygon 2.0 comes, says a blog on blockchain.
^^^^^^ cosmos        ^^^^ cosmos          ^^^^^^^ polygon-ecosystem-token
",
    );
}

#[test]
fn inner_capitals_of_a_word_are_no_joint() {
    check(
        "OpenSea, OpenAPI3, BitGo, MicroEther, xBTC and EthereumMax are firms or other tokens on a blockchain.\n",
    );
}
