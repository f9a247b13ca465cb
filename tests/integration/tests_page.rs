//! `docs/TESTS.md` says which test answers which attack on the parsers; it stays true.

#[test]
fn every_attack_on_a_parser_has_the_tests_that_the_page_names() {
    let root = env!("CARGO_MANIFEST_DIR");
    let page = std::fs::read_to_string(format!("{root}/docs/TESTS.md")).unwrap();
    for number in 1..=18 {
        let id = format!("| PAR-{number:02} |");
        let row = page.lines().find(|line| line.starts_with(&id)).unwrap_or_else(|| panic!("{id} is not on the page"));
        let name = row.rsplit('`').nth(1).unwrap();
        let (module, test) = name.split_once("::").unwrap();
        assert_eq!(test, format!("par_{number:02}_*"));
        let file = std::fs::read_to_string(format!("{root}/tests/integration/{module}.rs")).unwrap();
        assert!(file.contains(&format!("fn par_{number:02}_")), "{name}");
    }
}
