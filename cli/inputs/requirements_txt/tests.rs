//! Requirements files in a folder of their own.

use pyrun_core::request::{Prerelease, Selection};
use pyrun_core::{Code, Fault, Sha256};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs_err::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs_err::write(path, text).expect("a file");
        }
        Self(folder)
    }

    fn read(&self, name: &str) -> Result<Requirements, Fault> {
        read(self.0.path().join(name).to_str().expect("UTF-8"))
    }
}

fn reads(text: &str) -> Result<Requirements, Fault> {
    Folder::new(&[("requirements.txt", text)]).read("requirements.txt")
}

fn specs(list: &[Requirement]) -> Vec<String> {
    list.iter().map(|each| each.spec.to_string()).collect()
}

#[test]
fn what_pip_reads_is_read() {
    let text = "# comment\n\nrequests >=2, <3  # why\nnumpy; python_version < '3.13'\npandas[parquet] \\\n  >= 2\n";
    let found = reads(text).expect("requirements");
    assert_eq!(
        specs(&found.list),
        [
            "requests>=2,<3",
            "numpy ; python_full_version < '3.13'",
            "pandas[parquet]>=2"
        ]
    );
    assert_eq!(found.settings, pyrun_core::Wishes::default());
    let span = found.list[2].origin.span.clone().expect("a place");
    assert_eq!((span.line, span.column, span.length), (5, 1, 15));
}

#[test]
fn what_the_options_say_travels_with_the_file() {
    let text = "-i https://a/simple\n--index-url=https://b/simple\n--extra-index-url https://c/simple\n\
                -f wheels --find-links https://d/links.html\n--no-binary=a,b --only-binary :none:\n--pre\n--no-index\n";
    let found = reads(text).expect("requirements");
    let settings = found.settings;
    assert_eq!(settings.indexes, ["https://b/simple"]);
    assert_eq!(settings.extra_indexes, ["https://c/simple"]);
    assert!(settings.find_links[0].ends_with("/wheels") && settings.find_links[0].starts_with('/'));
    assert_eq!(settings.find_links[1], "https://d/links.html");
    assert!(matches!(&settings.formats.no_binary, Selection::Only(names) if names.len() == 2));
    assert_eq!(settings.prerelease, Some(Prerelease::Allow));
    assert!(settings.no_index && !settings.require_hashes);
}

#[test]
fn digests_are_read_and_then_required() {
    let (one, two) = (Sha256::of("1"), Sha256::of("2"));
    let found = reads(&format!(
        "a==1 \\\n    --hash=sha256:{one} \\\n    --hash sha256:{two}\nb==1\n"
    ))
    .expect("requirements");
    assert_eq!(found.list[0].hashes, [one, two]);
    assert!(found.list[1].hashes.is_empty());
    assert!(found.settings.require_hashes);
    assert!(
        reads("--require-hashes\n")
            .expect("an option")
            .settings
            .require_hashes
    );
    for (hash, part) in [
        ("md5:00", "one of `md5`"),
        ("sha256:00", "not a sha256"),
        ("x", "not a digest"),
    ] {
        let fault = reads(&format!("numpy\na==1 \\\n  --hash={hash}\n")).expect_err(hash);
        assert!(fault.message.contains(part), "{fault:?}");
        assert_eq!(
            (fault.spans[0].line, fault.spans[0].column),
            (3, 3),
            "{hash}"
        );
    }
}

#[test]
fn files_include_each_other_from_where_they_lie() {
    let folder = Folder::new(&[
        ("a.txt", "-r sub/b.txt\n-csub/c.txt\nnumpy\n"),
        ("sub/b.txt", "--requirement=../a.txt\npandas\n"),
        ("sub/c.txt", "six<2\n-r d.txt\n"),
        ("sub/d.txt", "rich<14\n"),
    ]);
    let found = folder.read("a.txt").expect("requirements");
    assert_eq!(specs(&found.list), ["numpy", "pandas"]);
    assert_eq!(specs(&found.settings.constraints), ["six<2", "rich<14"]);
    let place = found.settings.constraints[1].origin.to_string();
    assert!(place.ends_with("sub/d.txt:1"), "{place}");
    let folder = Folder::new(&[
        ("a.txt", "numpy\n  -r missing.txt\n"),
        ("c.txt", "-c d.txt"),
        ("d.txt", "a[x]<1"),
    ]);
    let fault = folder.read("a.txt").expect_err("missing");
    assert_eq!((fault.spans[0].line, fault.spans[0].column), (2, 3));
    let fault = folder.read("c.txt").expect_err("extras");
    assert!(fault.message.contains("extras"), "{fault:?}");
}

#[test]
fn what_would_be_lost_is_refused_with_its_line() {
    for line in [
        "-e .",
        "--editable=git+https://x/y",
        "./tree-that-is-not-there",
        "git+https://github.com/x/y",
        "-r https://x/requirements.txt",
        "-i pypi.org",
        "a==1 -C key=value",
        "a==1 --config-settings=key=value",
        "a==1 --global-option=x",
        "a --pre",
        "--hash=sha256:00",
        "--no-binary :some:",
        "--unknown",
        "a b",
        "${PYRUN_NO_SUCH_VARIABLE}",
        "--index-url https://${PYRUN_NO_SUCH_VARIABLE}@x/simple",
    ] {
        let fault = reads(&format!("numpy\n{line}\n")).expect_err(line);
        assert_eq!(fault.spans[0].line, 2, "{line}");
        assert_eq!(fault.code, Code::REQUIREMENT_INVALID, "{line}");
    }
}

#[test]
fn what_changes_nothing_is_said() {
    let found = reads("--prefer-binary\n--trusted-host x\nnumpy\n").expect("requirements");
    assert_eq!(found.remarks.len(), 2);
    assert!(
        found.remarks[1].contains("requirements.txt:2: `--trusted-host`"),
        "{found:?}"
    );
}

#[test]
fn variables_reach_requirements_and_options() {
    // PATH is set wherever tests run, and no requirement.
    let fault = reads("${PATH}\n").expect_err("no requirement");
    assert!(
        fault.message.contains("${PATH}"),
        "its value is not shown: {fault:?}"
    );
    let found = reads("-f ${HOME}/wheels\n").expect("an option");
    assert!(!found.settings.find_links[0].contains('$'), "{found:?}");
}

#[test]
fn what_a_variable_holds_is_not_told_of_an_option() {
    // PATH is set wherever tests run: a list of folders, which is none of these things.
    let path = std::env::var("PATH").expect("PATH is set");
    for option in [
        "-r ${PATH}/none.txt",
        "-c x://${PATH}",
        "-i ${PATH}",
        "--extra-index-url=${PATH}",
        "--no-binary ${PATH}",
        "--only-binary ${PATH}",
    ] {
        let fault = reads(option).expect_err(option);
        assert!(fault.message.contains("${PATH}"), "{fault:?}");
        assert!(!format!("{fault:?}").contains(&path), "{fault:?}");
    }
}

#[test]
fn a_line_of_very_many_options_is_read_quickly() {
    // Each remark names its place; a copy of the line for each would be 40 GB.
    let found = reads(&"--prefer-binary ".repeat(50_000)).expect("options");
    assert_eq!(found.remarks.len(), 50_000);
}
