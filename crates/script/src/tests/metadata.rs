//! PEP 723 blocks.

use pyrun_core::request::{Prerelease, Resolution, Selection};

use super::{fault, gist, script, shown};
use crate::read;
use crate::uv::UvPlace;

fn block(lines: &[&str]) -> String {
    let mut text = String::from("# /// script\n");
    for line in lines {
        text.push_str(if line.is_empty() { "#\n" } else { "# " });
        if !line.is_empty() {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str("# ///\nprint()\n");
    text
}

#[test]
fn all_of_it_is_read() {
    let text = block(&[
        "requires-python = '>=3.11'",
        "dependencies = [",
        "  'requests<3',",
        "  \"rich\",",
        "]",
        "",
        "[tool.pyrun]",
        "memory = '512MB'",
        "timeout = '1.5m'",
        "data = 'weather'",
        "index = ['https://a/simple', 'https://b/simple']",
        "[tool.ruff]",
        "anything = true",
    ]);
    let metadata = script(&text).metadata.expect("a block");
    let names: Vec<_> = metadata
        .dependencies
        .iter()
        .map(|each| each.spec.to_string())
        .collect();
    assert_eq!(names, ["requests<3", "rich"]);
    let span = metadata.dependencies[1]
        .origin
        .span
        .as_ref()
        .expect("a place");
    assert_eq!(
        (span.line, span.column, span.text.as_str()),
        (5, 5, "#   \"rich\",")
    );
    assert_eq!(
        metadata
            .requires_python
            .expect("a bound")
            .specifiers
            .to_string(),
        ">=3.11"
    );
    assert_eq!(metadata.options.memory_bytes, Some(512_000_000));
    assert_eq!(metadata.options.timeout_ms, Some(90_000));
    assert_eq!(metadata.options.data, ["weather"]);
    assert_eq!(
        metadata.options.wishes.indexes,
        ["https://a/simple", "https://b/simple"]
    );
}

#[test]
fn blocks_are_found_as_the_reference_implementation_finds_them() {
    let dependencies = |text: &str| {
        script(text)
            .metadata
            .map(|metadata| metadata.dependencies.len())
    };
    for (text, expected) in [
        ("# /// script\n# dependencies = ['a']\n# ///\n", Some(1)),
        (
            "# /// script\r\n# dependencies = ['a']\r\n# ///\r\n",
            Some(1),
        ),
        (
            "\u{feff}# /// script\n# dependencies = ['a']\n# ///",
            Some(1),
        ),
        (
            "x = 1\n# /// script\n# dependencies = ['a']\n# ///\n",
            Some(1),
        ),
        // Not closed, or nothing between: comments.
        ("# /// script\n# dependencies = ['a']\n", None),
        ("# /// script\n# dependencies = ['a']\n\n# ///\n", None),
        ("# /// script\n# ///\n", None),
        ("# /// script\n#dependencies = ['a']\n# ///\n", None),
        ("#/// script\n# dependencies = ['a']\n# ///\n", None),
        ("# /// script \n# dependencies = ['a']\n# ///\n", None),
        (" # /// script\n # dependencies = ['a']\n # ///\n", None),
        ("# /// other\n# dependencies = ['a']\n# ///\n", None),
        // The last closing line of the comment counts, and the line is TOML's comment before.
        (
            "# /// script\n# dependencies = [\n#   'a', # x\n# ]\n# # more\n# ///\n",
            Some(1),
        ),
        // A block that is closed later holds what looks like another.
        (
            "# /// other\n# /// script\n# dependencies = ['a']\n# ///\n",
            None,
        ),
        ("# /// script\n#\n# ///\n", Some(0)),
    ] {
        assert_eq!(dependencies(text), expected, "{text}");
    }
}

#[test]
fn the_last_closing_line_counts() {
    let fault = fault("# /// script\n# x = 1\n# ///\n# ///\n");
    assert_eq!(fault.message, "the script's metadata is not valid TOML");
    assert_eq!(fault.spans[0].line, 3);
}

#[test]
fn two_blocks_are_shown_both() {
    let text = "# /// script\n# x = 1\n# ///\n\n# /// script\n# x = 1\n# ///\n";
    let error = read("job.py", text).expect_err("two blocks");
    insta::assert_snapshot!(shown(error), @r"
    script.metadata: the script has two metadata blocks
      --> job.py:1:1
      | # /// script
      | ^^^^^^^^^^^^ first here
      --> job.py:5:1
      | # /// script
      | ^^^^^^^^^^^^ and again here
      hint: put everything into one `# /// script` block
    ");
}

#[test]
fn what_is_wrong_is_shown_in_the_file() {
    for (lines, code, message, place, line) in [
        (
            &["dependencies = 'a'"][..],
            "script.metadata",
            "`dependencies` must be an array of texts",
            "'a'",
            2,
        ),
        (
            &["", "dependencies = ['a', 1]"],
            "script.metadata",
            "`dependencies` must be text",
            "1",
            3,
        ),
        (
            &["dependencies = [", " 'a b',", "]"],
            "requirement.invalid",
            "`a b` is not a requirement (PEP 508)",
            "b",
            3,
        ),
        (
            &["requires-python = '>=x'"],
            "requirement.invalid",
            "`>=x` is not a version specifier (PEP 440)",
            ">=x",
            2,
        ),
        (
            &["tool = 1"],
            "script.metadata",
            "`tool` must be a table",
            "1",
            2,
        ),
        (
            &["[tool.pyrun]", "memroy = '1GB'"],
            "script.metadata",
            "`memroy` is no option of `[tool.pyrun]`",
            "memroy",
            3,
        ),
        (
            &["[tool.pyrun]", "memory = 'lots'"],
            "script.metadata",
            "`memory` is not an amount such as `512MB` or `2GB`",
            "'lots'",
            3,
        ),
        (
            &["[tool.pyrun]", "timeout = 0"],
            "script.metadata",
            "`timeout` is not an amount such as `30s` or `5m`",
            "0",
            3,
        ),
        (
            &["[tool.pyrun]", "timeout = '30GB'"],
            "script.metadata",
            "`timeout` is not an amount such as `30s` or `5m`",
            "'30GB'",
            3,
        ),
    ] {
        let fault = fault(&block(lines));
        let expected = (code.to_owned(), message.to_owned(), vec![place.to_owned()]);
        assert_eq!(gist(&fault), expected, "{lines:?}");
        assert_eq!(fault.spans[0].line, line, "{lines:?}");
    }
}

#[test]
fn toml_that_does_not_parse_is_shown_in_the_file() {
    let fault = fault(&block(&["", "dependencies = ['a'"]));
    assert_eq!(fault.message, "the script's metadata is not valid TOML");
    assert_eq!(fault.spans.len(), 1);
    assert!((2..=3).contains(&fault.spans[0].line), "{fault:?}");
    assert_eq!(fault.causes.len(), 1);
}

#[test]
fn amounts_have_units() {
    for (lines, memory, timeout) in [
        (["memory = '512MB'", "timeout = 30"], 512_000_000, 30_000),
        (["memory = '2GiB'", "timeout = '250ms'"], 2 << 30, 250),
        (["memory = '1024KiB'", "timeout = 0.5"], 1 << 20, 500),
        (["memory = 512", "timeout = 30"], 0, 0),
        (["memory = '1_0'", "timeout = '2 h'"], 0, 0),
    ] {
        let text = block(&["[tool.pyrun]", lines[0], lines[1]]);
        if memory == 0 {
            assert_eq!(fault(&text).code.as_str(), "script.metadata");
            continue;
        }
        let options = script(&text).metadata.expect("a block").options;
        assert_eq!(options.memory_bytes, Some(memory));
        assert_eq!(options.timeout_ms, Some(timeout));
    }
}

#[test]
fn what_uv_reads_about_the_index_is_read() {
    let text = block(&[
        "[tool.uv]",
        "exclude-newer = '2024-01-01T00:00:00Z'",
        "extra-index-url = ['https://extra/simple']",
        "[[tool.uv.index]]",
        "url = 'https://first/simple'",
        "[[tool.uv.index]]",
        "url = 'https://explicit/simple'",
        "explicit = true",
    ]);
    let options = script(&text).metadata.expect("a block").options;
    let wishes = &options.wishes;
    assert_eq!(
        wishes.exclude_newer.as_deref(),
        Some("2024-01-01T00:00:00Z")
    );
    assert_eq!(
        wishes.extra_indexes,
        ["https://first/simple", "https://extra/simple"]
    );
    assert!(wishes.indexes.is_empty(), "{wishes:?}");
}

#[test]
fn what_uv_reads_about_the_choice_is_read() {
    let text = block(&[
        "[tool.uv]",
        "constraint-dependencies = ['six<2']",
        "override-dependencies = ['rich==13']",
        "no-build = true",
        "no-binary-package = ['a']",
        "resolution = 'lowest'",
        "prerelease = 'allow'",
        "[[tool.uv.index]]",
        "name = 'torch'",
        "url = 'https://torch/simple'",
        "explicit = true",
        "[tool.uv.sources]",
        "torch = [{ index = 'torch', marker = \"sys_platform == 'linux'\" }]",
        "b = { url = 'https://x/b-1-py3-none-any.whl' }",
        "c = { git = 'https://x' }",
        "d = { index = 'none' }",
        "[tool.other]",
        "anything = 1",
    ]);
    let options = script(&text).metadata.expect("a block").options;
    let wishes = &options.wishes;
    assert_eq!(
        wishes.constraints[0].origin.to_string(),
        "job.py:3",
        "the place in the file"
    );
    assert_eq!(wishes.overrides[0].spec.to_string(), "rich==13");
    assert_eq!(wishes.formats.only_binary, Selection::All);
    assert!(wishes.formats.no_binary.contains(&"a".parse().expect("a")));
    assert_eq!(wishes.resolution, Some(Resolution::Lowest));
    assert_eq!(wishes.prerelease, Some(Prerelease::Allow));
    assert!(wishes.extra_indexes.is_empty(), "it is explicit");
    let places: Vec<_> = options
        .sources
        .iter()
        .map(|source| (source.package.to_string(), source.place.clone()))
        .collect();
    assert_eq!(
        places,
        [
            (
                "b".to_owned(),
                UvPlace::Address("https://x/b-1-py3-none-any.whl".to_owned())
            ),
            (
                "c".to_owned(),
                UvPlace::Unusable("a git repository".to_owned())
            ),
            (
                "d".to_owned(),
                UvPlace::Unusable(
                    "the index `none`, which `[[tool.uv.index]]` does not name".to_owned()
                )
            ),
            (
                "torch".to_owned(),
                UvPlace::Index("https://torch/simple".to_owned())
            ),
        ]
    );
}

#[test]
fn pyruns_own_words_on_resolving_win_over_uvs() {
    let text = block(&[
        "[tool.uv]",
        "exclude-newer = '2024-01-01'",
        "constraint-dependencies = ['six<2']",
        "[tool.pyrun]",
        "exclude-newer = '7 days'",
        "constraints = ['six>1']",
        "overrides = ['rich==13']",
        "no-binary = 'a'",
        "only-binary = [':all:']",
        "find-links = 'wheels'",
        "require-hashes = true",
        "index-for = { torch = 'https://torch/simple' }",
    ]);
    let wishes = script(&text).metadata.expect("a block").options.wishes;
    assert_eq!(wishes.exclude_newer.as_deref(), Some("7 days"));
    assert_eq!(wishes.constraints.len(), 2);
    assert_eq!(wishes.overrides.len(), 1);
    assert_eq!(wishes.formats.only_binary, Selection::All);
    assert_eq!(wishes.find_links, ["wheels"]);
    assert!(wishes.require_hashes);
    assert_eq!(wishes.pins[0].index, "https://torch/simple");
    for line in [
        "constraints = ['a b']",
        "no-binary = ':some:'",
        "index-for = { 'a b' = 'https://x' }",
        "require-hashes = 1",
        "overrides = 'a'",
    ] {
        let fault = fault(&block(&["[tool.pyrun]", line]));
        assert_eq!(fault.spans[0].line, 3, "{line}: {fault:?}");
    }
}
