//! Several at once.

use std::thread;

use crate::support::{GREET, World};

#[test]
fn runs_of_one_new_set_at_once_build_it_once() {
    let world = World::new();
    world.context.write("script.py", GREET);
    thread::scope(|scope| {
        let runs: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| world.pyrun(&["run", "script.py"])))
            .collect();
        for run in runs {
            let output = run.join().expect("it runs");
            assert_eq!(output.stdout, "hello 2.0, world\n", "{output:?}");
        }
    });
    assert_eq!(world.bundles().len(), 1);
    assert_eq!(world.bundles()[0]["runs"], 6);
    for wheel in ["/greet-2.0-py3-none-any.whl", "/words-2.0-py3-none-any.whl"] {
        let downloads = world
            .index
            .requests()
            .iter()
            .filter(|request| request.path.ends_with(wheel) && request.range.is_none())
            .count();
        assert_eq!(downloads, 1, "{wheel}");
    }
}
