//! `--policy`, `pyrun policy check`, bills of materials and known vulnerabilities.

use pyrun_kit::{IndexFile, Packages, WheelBuilder};

use crate::support::{GREET, World, greet, words};

fn world() -> World {
    let licensed = |version: &str| words(version).header("License-Expression", "MIT").build();
    World::with(
        Packages::new()
            .with(licensed("1.0"))
            .with(IndexFile::from(licensed("2.0")).uploaded(jiff::Timestamp::now().to_string()))
            .with(greet("1.0").requires("words").build())
            .with(
                WheelBuilder::new("copyleft", "1.0")
                    .header("License-Expression", "AGPL-3.0-only")
                    .build(),
            ),
    )
}

const RECORD: &str = r#"{"id": "PYSEC-1", "aliases": ["CVE-1"], "summary": "words can hurt",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    "affected": [{"package": {"ecosystem": "PyPI", "name": "words"},
    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]}]}"#;

#[test]
fn a_policy_holds_on_this_machine_too() {
    let world = world();
    world.context.write("script.py", GREET);
    world
        .context
        .write("policy.toml", "[packages]\nminimum-age = '7 days'\n");
    world
        .context
        .write("pyrun.toml", "policy = 'policy.toml'\n");
    let output = world.pyrun(&["run", "script.py"]);
    assert_eq!(
        output.stdout, "hello 1.0, world\n",
        "the young one is passed over: {output:?}"
    );
    world
        .context
        .write("strict.toml", "[packages]\ndeny = ['words']\n");
    let (status, said) = world.fails(&["run", "--policy", "strict.toml", "script.py"]);
    assert_eq!(status, 3);
    assert!(
        said.contains("policy.denied") && said.contains("`words 2.0`"),
        "{said}"
    );
    let (status, said) = world.fails(&["lock", "--policy", "strict.toml", "words"]);
    assert_eq!(status, 3, "{said}");
    let (status, said) = world.fails(&["lock", "--policy", "missing.toml", "words"]);
    assert_eq!(status, 2, "{said}");
    world
        .context
        .write("broken.toml", "[packages]\nalow = []\n");
    let (status, said) = world.fails(&["lock", "--policy", "broken.toml", "words"]);
    assert_eq!(status, 2);
    assert!(
        said.contains("broken.toml:2") && said.contains("alow"),
        "{said}"
    );
}

#[test]
fn a_policy_is_said_in_words() {
    let world = world();
    world.context.write(
        "p.toml",
        "[packages]\nminimum-age = '7 days'\n[licences]\nallow = ['MIT']\n",
    );
    let output = world.pyrun(&["policy", "check", "p.toml"]);
    assert!(output.success(), "{output:?}");
    assert!(
        output.stdout.contains("\n  nothing is built from source\n"),
        "{output:?}"
    );
    assert_eq!(world.index.requests().len(), 0);
}

#[test]
fn a_check_tells_all_that_would_be_refused() {
    let world = world();
    world.context.write(
        "p.toml",
        "[packages]\ndeny = ['greet<2']\nminimum-age = '7 days'\n[licences]\ndeny = ['AGPL-*']\nunknown = 'allow'\n\
         [limits]\npackages = 2\n",
    );
    world.context.write("requirements.txt", "greet\ncopyleft\n");
    let output = world.pyrun(&["policy", "check", "p.toml", "requirements.txt", "words"]);
    assert_eq!(output.status, Some(3), "{output:?}");
    for part in [
        "requirements.txt  refused\n",
        "  `greet 1.0`: `deny` has the rule `greet<2`\n    `greet` is asked for directly\n",
        "  this set of packages: it has 3 packages, and `packages` of `[limits]` is 2\n",
        "  `copyleft 1.0`: `[licences]` does not take its licence, `AGPL-3.0-only`\n",
        "the command line  let in, 1 package\n",
    ] {
        assert!(output.stdout.contains(part), "{part}\n{}", output.stdout);
    }
    assert_eq!(
        output.stdout.matches("packages` of `[limits]`").count(),
        1,
        "{output:?}"
    );
    let output = world.pyrun(&["policy", "check", "p.toml", "words", "--format", "json"]);
    let last = output.stdout.lines().last().expect("a line");
    let verdict: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(verdict["refused"], false, "{verdict}");
    // What can't be resolved under the policy is refused as well, with the reason.
    let output = world.pyrun(&["policy", "check", "p.toml", "words>=2"]);
    assert_eq!(output.status, Some(3), "{output:?}");
    assert!(
        output.stdout.contains("not uploaded for 7 days yet"),
        "{output:?}"
    );
}

#[test]
fn known_vulnerabilities_are_told_and_refused() {
    let world = world();
    world.context.write("dump/PYSEC-1.json", RECORD);
    world.context.write("dump/PYSEC-2.json", "{");
    world.context.write("pyrun.toml", "osv = 'dump'\n");
    let output = world.pyrun(&["lock", "words<2"]);
    assert!(output.success(), "{output:?}");
    let line = "warning: `words` 1.0 has a known vulnerability, PYSEC-1, CVE-1 (critical): words can hurt; mended in 2.0";
    assert!(output.stderr.contains(line), "{output:?}");
    assert!(output.stderr.contains("PYSEC-2.json"), "{output:?}");
    world
        .context
        .write("p.toml", "[vulnerabilities]\ndeny = 'high'\n");
    let output = world.pyrun(&["policy", "check", "p.toml", "words<2"]);
    assert_eq!(output.status, Some(3), "{output:?}");
    let (status, said) = world.fails(&["prewarm", "--policy", "p.toml", "words<2"]);
    assert_eq!(status, 3);
    assert!(
        said.contains("PYSEC-1") && said.contains("`words` 2.0 mends it"),
        "{said}"
    );
    assert!(
        world
            .pyrun(&["prewarm", "--policy", "p.toml", "words"])
            .success()
    );
    assert!(world.pyrun(&["prewarm", "words<2"]).success());
    for row in world.bundles() {
        let hash = row["hash"].as_str().expect("a hash");
        let output = world.pyrun(&["cache", "info", hash, "--vulnerabilities"]);
        let is_old = row["packages"][0] == "words 1.0";
        assert_eq!(output.stdout.contains("PYSEC-1"), is_old, "{output:?}");
    }
}

#[test]
fn a_bill_of_materials_depends_on_the_bundle_alone() {
    let world = world();
    world.context.write("dump/PYSEC-1.json", RECORD);
    assert!(world.pyrun(&["prewarm", "greet", "words<2"]).success());
    let hash = world.bundles()[0]["hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    let output = world.pyrun(&["cache", "info", &hash, "--sbom"]);
    assert_eq!(
        world.pyrun(&["cache", "info", &hash, "--sbom"]).stdout,
        output.stdout
    );
    let bom = output.json();
    assert_eq!(bom["bomFormat"], "CycloneDX");
    assert_eq!(bom["specVersion"], "1.6");
    let serial = bom["serialNumber"].as_str().expect("a serial number");
    assert!(
        serial.starts_with("urn:uuid:") && serial.len() == 45,
        "{serial}"
    );
    let components = bom["components"].as_array().expect("components");
    assert_eq!(components.len(), 2);
    assert_eq!(components[1]["purl"], "pkg:pypi/words@1.0");
    assert_eq!(components[1]["licenses"][0]["expression"], "MIT");
    assert_eq!(components[1]["hashes"][0]["alg"], "SHA-256");
    assert_eq!(components[0].get("licenses"), None);
    let dependencies = bom["dependencies"].as_array().expect("dependencies");
    assert_eq!(dependencies[0]["dependsOn"][0], "pkg:pypi/greet@1.0");
    assert_eq!(dependencies[1]["dependsOn"][0], "pkg:pypi/words@1.0");
    let refs: Vec<&str> = components
        .iter()
        .chain([&bom["metadata"]["component"]])
        .filter_map(|component| component["bom-ref"].as_str())
        .collect();
    for dependency in dependencies {
        assert!(
            refs.contains(&dependency["ref"].as_str().expect("a ref")),
            "{dependency}"
        );
    }
    let output = world.pyrun(&[
        "cache",
        "info",
        &hash,
        "--sbom",
        "--vulnerabilities",
        "--osv",
        "dump",
    ]);
    let bom = output.json();
    assert_eq!(
        bom["vulnerabilities"][0]["affects"][0]["ref"],
        "pkg:pypi/words@1.0"
    );
    let (status, said) = world.fails(&["cache", "info", &hash, "--vulnerabilities"]);
    assert_eq!(status, 2, "{said}");
}

#[test]
fn a_check_says_what_of_a_file_is_passed_over() {
    let world = world();
    world.context.write("p.toml", "[packages]\ndeny = []\n");
    world
        .context
        .write("requirements.txt", "--prefer-binary\nwords\n");
    let output = world.pyrun(&["policy", "check", "p.toml", "requirements.txt"]);
    assert!(output.success(), "{output:?}");
    assert!(
        output.stderr.contains("`--prefer-binary` is passed over"),
        "{output:?}"
    );
}
