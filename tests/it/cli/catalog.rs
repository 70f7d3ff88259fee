//! `cointag catalog`.

use super::{code, run, stderr, stdout};

#[test]
fn show_takes_an_id_or_a_ticker_and_suggests() {
    assert!(stdout(&run(&["catalog", "show", "BTC"])).contains("id = \"bitcoin\""));
    assert_eq!(stdout(&run(&["catalog", "show", "bitcoin"])), stdout(&run(&["catalog", "show", "$btc"])));
    let output = run(&["catalog", "show", "bitcoinn"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("no asset `bitcoinn` in the catalog; did you mean bitcoin"));
}

#[test]
fn an_export_is_a_catalog_that_keeps_every_rule() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.toml");
    std::fs::write(&file, run(&["catalog", "export"]).stdout).unwrap();
    let output = run(&["catalog", "check", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let listed = |args: &[&str]| stdout(&run(&[args, &["catalog", "list", "ripple"]].concat()));
    assert_eq!(listed(&["--catalog", file.to_str().unwrap()]), listed(&[]));
}

#[test]
fn a_broken_catalog_is_refused_with_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.toml");
    std::fs::write(&file, "[[asset]]\nid='b'\nsymbol='BBB'\nname='Beta'\nsymbol_class='c'\nname_class='d'")
        .unwrap();
    let output = run(&["catalog", "check", file.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("`BBB` is class c and has no `why`"));
    assert!(stderr(&output).contains("2 problem(s)"));
    std::fs::write(&file, "[[asset]]\nid='b'\nsymbl='BBB'").unwrap();
    let output = run(&["catalog", "check", file.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("unknown field `symbl`"));
}

#[test]
fn an_overlay_reaches_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("overlay.toml");
    std::fs::write(&file, "hide = ['dogecoin']").unwrap();
    let overlay = file.to_str().unwrap();
    assert_eq!(code(&run(&["--overlay", overlay, "catalog", "show", "dogecoin"])), 2);
    let output = run(&["--overlay", overlay, "tag", "--quotes", "none", "Dogecoin and Bitcoin"]);
    assert!(stdout(&output).starts_with("Mentioned tokens  $BTC\n"), "{}", stdout(&output));
}
