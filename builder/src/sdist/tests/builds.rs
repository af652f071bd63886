//! Builds that are good, and builds that fail for reasons that must be said.

use std::time::Duration;

use pyrun_core::{Code, Fault};
use pyrun_kit::{SdistBuilder, WheelBuilder};
use pyrun_store::{MemoryStore, catalog};

use super::support::{Scene, own_target, wheel};

fn text(fault: &Fault) -> String {
    format!("{fault:#?}")
}

async fn failure(sdist: &SdistBuilder) -> Fault {
    let scene = Scene::of(sdist);
    scene.build("app").await.expect_err("it can't be built")
}

#[tokio::test]
async fn a_source_distribution_becomes_a_wheel_once() {
    let scene = Scene::of(&SdistBuilder::new("app", "1.0").requires("words>=1"));
    let metadata = scene.metadata("app").await.expect("metadata");
    assert_eq!(metadata.requires_dist.len(), 1);
    let said = scene.said();
    assert_eq!(
        said[0],
        "`app` 1.0 is built from source, which runs its code and may take long; `--no-build` keeps to wheels"
    );
    let built = scene.build("app").await.expect("a wheel");
    assert_eq!(built.filename.as_str(), "app-1.0-py3-none-any.whl");
    assert!(scene.wheel(&built).await.starts_with(b"PK"));

    scene.said();
    scene.server.clear();
    let again = scene.build("app").await.expect("the same wheel");
    let metadata = scene.metadata("app").await.expect("the same metadata");
    assert_eq!((again, metadata.requires_dist.len()), (built, 1));
    assert!(scene.said().is_empty(), "nothing is run a second time");
    assert_eq!(scene.server.count("app-1.0.tar.gz"), 0);
}

#[tokio::test]
async fn an_empty_store_gets_the_same_bytes() {
    let sdist = SdistBuilder::new("app", "1.0").file("src/data.txt", "x".repeat(5000));
    let mut scene = Scene::of(&sdist);
    let first = scene.build("app").await.expect("a wheel");
    let bytes = scene.wheel(&first).await;
    scene.store = std::sync::Arc::new(MemoryStore::new());
    let second = scene.build("app").await.expect("a wheel");
    assert_eq!(first, second);
    assert_eq!(scene.wheel(&second).await, bytes);
    let left = fs_err::read_dir(scene.scratch()).expect("a folder").count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[tokio::test]
async fn what_it_is_certain_of_is_believed_and_nothing_runs() {
    let sdist = SdistBuilder::new("app", "1.0").pkg_info("Requires-Dist: words\n");
    let scene = Scene::of(&sdist);
    let metadata = scene.metadata("app").await.expect("metadata");
    assert_eq!(metadata.requires_dist.len(), 1);
    assert!(scene.said().is_empty());

    let other = SdistBuilder::new("app", "1.0").file(
        "PKG-INFO",
        "Metadata-Version: 2.2\nName: other\nVersion: 1.0\n",
    );
    let fault = Scene::of(&other)
        .metadata("app")
        .await
        .expect_err("another package's");
    assert_eq!(fault.code, Code::SDIST_INVALID);
    assert!(text(&fault).contains("`other 1.0`"), "{fault:?}");
}

#[tokio::test]
async fn a_wheel_that_needs_something_else_than_was_said_is_refused() {
    let sdist = SdistBuilder::new("app", "1.0")
        .pkg_info("Requires-Dist: words\n")
        .requires("other");
    let scene = Scene::of(&sdist);
    let fault = scene.said_then_built("app").await.expect_err("a lie");
    assert!(
        text(&fault).contains("other requirements than it said before"),
        "{fault:#?}"
    );
    let honest = Scene::of(&sdist.requires("words"));
    honest.said_then_built("app").await.expect("the truth");
}

#[tokio::test]
async fn what_needs_itself_to_be_built_is_refused() {
    let scene = Scene::of(&SdistBuilder::new("app", "1.0").build_requires(&["app"]));
    let fault = scene.build("app").await.expect_err("it would never end");
    assert_eq!(fault.code, Code::SDIST_BUILD);
}

#[tokio::test]
async fn what_the_build_needs_is_resolved_and_installed() {
    let tool = WheelBuilder::new("tool", "1.0")
        .file("tool.py", "VALUE = 41\ndef main():\n    print(VALUE)\n")
        .entry_point("show-tool = tool:main")
        .requires("helper");
    let sdist = SdistBuilder::new("app", "1.0")
        .build_requires(&["tool>=1"])
        .hooks(
            "import helper, tool, subprocess, sys\n\
         shown = subprocess.check_output(['show-tool'], text=True).strip()\n\
         open('src/made.py', 'w').write('MADE = %s + %d\\n' % (shown, helper.MORE))\n\
         subprocess.check_call([sys.executable, '-c', 'import helper'])\n",
        );
    let scene = Scene::new([
        sdist.build(),
        wheel(&tool),
        wheel(&WheelBuilder::new("helper", "2.0").file("helper.py", "MORE = 1\n")),
    ]);
    let built = scene.build("app").await.expect("a wheel");
    let bytes = scene.wheel(&built).await;
    let made = b"MADE = 41 + 1";
    assert!(bytes.windows(made.len()).any(|window| window == made));

    let lonely = Scene::of(&sdist);
    let fault = lonely.build("app").await.expect_err("no tool");
    assert_eq!(fault.code, Code::SDIST_BUILD);
    assert!(text(&fault).contains("`tool`"), "{fault:#?}");
}

#[tokio::test]
async fn prepared_metadata_and_further_requirements_are_asked_for() {
    let backend = format!(
        "{}\ndef get_requires_for_build_wheel(settings=None):\n    return ['late']\n\n\
         def prepare_metadata_for_build_wheel(folder, settings=None):\n    import late\n    \
         path = os.path.join(folder, STEM + '.dist-info')\n    os.mkdir(path)\n    \
         open(os.path.join(path, 'METADATA'), 'w').write(metadata())\n    \
         return STEM + '.dist-info'\n",
        pyrun_kit::sdist::BACKEND
    );
    let sdist = SdistBuilder::new("app", "1.0")
        .requires("words")
        .file("backend.py", backend);
    let late = WheelBuilder::new("late", "1.0").file("late.py", "");
    let scene = Scene::new([sdist.build(), wheel(&late)]);
    let metadata = scene.metadata("app").await.expect("metadata");
    assert_eq!(metadata.requires_dist[0].to_string(), "words");
    let sdists = scene.store.list(catalog::SDISTS).await.expect("a listing");
    assert!(sdists.is_empty(), "the metadata alone was prepared");
    scene.said();
    scene.said_then_built("app").await.expect("a wheel");
    let said = scene.said();
    let of_app = said.iter().filter(|text| text.starts_with("`app` 1.0"));
    assert_eq!(of_app.count(), 1, "it is said once: {said:?}");
}

#[tokio::test]
async fn a_build_that_fails_says_what_it_said() {
    let sdist =
        SdistBuilder::new("app", "1.0").hooks("print('hello'); raise ValueError('no\\x1b[2J way')");
    let fault = failure(&sdist).await;
    assert_eq!(fault.code, Code::SDIST_BUILD);
    assert_eq!(fault.message, "`app` 1.0 can't be built from source");
    assert_eq!(
        fault.causes[0],
        "the backend `backend` ends with status 1 in `build_wheel`"
    );
    assert!(
        fault.causes[1].ends_with("ValueError: no way"),
        "{fault:#?}"
    );
    assert!(
        fault
            .hints
            .iter()
            .any(|hint| hint.contains("--only-binary app")),
        "{fault:#?}"
    );

    let sdist = SdistBuilder::new("app", "1.0")
        .hooks("import subprocess\nsubprocess.check_call(['a-compiler-that-is-not-here'])");
    let fault = failure(&sdist).await;
    assert!(
        fault.hints[0].contains("`a-compiler-that-is-not-here` is not installed"),
        "{fault:#?}"
    );
}

#[tokio::test]
async fn projects_that_can_t_be_understood_are_refused() {
    let bare = SdistBuilder::bare("app", "1.0").file("README", "");
    let fault = failure(&bare).await;
    assert!(
        text(&fault).contains("neither a `pyproject.toml` nor a `setup.py`"),
        "{fault:?}"
    );
    let leaving = SdistBuilder::new("app", "1.0").file(
        "pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = 'os'\nbackend-path = ['.']\n",
    );
    let fault = failure(&leaving).await;
    assert!(
        text(&fault).contains("is not in its `backend-path`"),
        "{fault:#?}"
    );
    let hostile = Scene::new([pyrun_kit::IndexFile::sdist("app", "1.0", b"x".to_vec())]);
    let fault = hostile.build("app").await.expect_err("no archive");
    assert_eq!(fault.code, Code::SDIST_INVALID);
}

#[tokio::test]
async fn a_wheel_of_another_package_or_machine_is_refused() {
    for (file, content, part) in [
        ("name.txt", "other 1.0", "another package's"),
        ("name.txt", "app 1.1", "another package's"),
        ("tag.txt", "cp27-cp27m-win_amd64", "where it was built"),
        ("tag.txt", "no tag", "no name of a wheel"),
    ] {
        let fault = failure(&SdistBuilder::new("app", "1.0").file(file, content)).await;
        assert_eq!(fault.code, Code::SDIST_BUILD);
        assert!(text(&fault).contains(part), "{content}: {fault:#?}");
    }
    // A native wheel for a machine that this one can't build for.
    let own = own_target();
    let (major, minor) = own.python.minor();
    let tag = format!(
        "cp{major}{minor}-cp{major}{minor}-linux_{}",
        own.arch.as_str()
    );
    let native = SdistBuilder::new("app", "1.0").file("tag.txt", tag.clone());
    let mut scene = Scene::of(&native);
    if let pyrun_core::target::Os::Glibc { .. } = own.os {
        scene.build("app").await.expect("it is for this machine");
        scene.target.os = pyrun_core::target::Os::Glibc { major: 2, minor: 5 };
        let fault = scene
            .build("app")
            .await
            .expect_err("it needs a later C library");
        assert!(
            fault.hints[0].contains("a machine of that kind"),
            "{fault:#?}"
        );
    }
}

#[tokio::test]
async fn a_wheel_that_breaks_the_rules_is_refused_as_any_wheel_is() {
    let sdist = SdistBuilder::new("app", "1.0").hooks(
        "import zipfile\nold = zipfile.ZipFile.writestr\n\
         zipfile.ZipFile.writestr = lambda self, name, data: old(self, '../' + name if name.endswith('.py') else name, data)\n",
    );
    let fault = failure(&sdist).await;
    assert_eq!(fault.code, Code::SDIST_BUILD);
    assert!(text(&fault).contains("leaves its folder"), "{fault:#?}");
}

#[tokio::test]
async fn a_backend_answers_with_nothing_that_lies_elsewhere() {
    for (code, part) in [
        (
            "globals().update(); import builtins",
            "which it has not written",
        ),
        (
            "import os; os.symlink('/etc/passwd', '../../out/app-1.0-py3-none-any.whl')",
            "which it has not written",
        ),
    ] {
        let backend = format!(
            "import os\ndef build_wheel(folder, settings=None, prepared=None):\n    exec({code:?})\n    \
             return 'app-1.0-py3-none-any.whl'\n"
        );
        let fault = failure(&SdistBuilder::new("app", "1.0").file("backend.py", backend)).await;
        assert!(text(&fault).contains(part), "{fault:#?}");
    }
    for answer in ["'../../x.whl'", "None", "['x']", "'/etc/passwd'"] {
        let backend = format!(
            "def build_wheel(folder, settings=None, prepared=None):\n    return {answer}\n"
        );
        let fault = failure(&SdistBuilder::new("app", "1.0").file("backend.py", backend)).await;
        assert!(
            text(&fault).contains("something else than PEP 517 says"),
            "{answer}: {fault:#?}"
        );
    }
}

#[tokio::test]
async fn a_build_that_takes_too_long_is_ended() {
    let mut scene = Scene::of(&SdistBuilder::new("app", "1.0").hooks("while True: pass"));
    scene.bench.bounds.time = Duration::from_secs(2);
    let fault = scene.build("app").await.expect_err("it never ends");
    assert!(
        fault.causes[0].contains("takes longer than 2 s"),
        "{fault:#?}"
    );
}
