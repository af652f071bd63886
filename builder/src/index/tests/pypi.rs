//! Against the real index. They run when asked for by name: the network is not the tests' to use.

use crate::index::testing::{World, name};
use crate::index::{Client, FileKind, Source as _};

#[tokio::test]
#[ignore = "needs PyPI"]
async fn pypi_pages_and_metadata_are_read() {
    let world = World::new();
    let client = Client::new(world.options(&["https://pypi.org/simple"])).expect("options");
    for project in ["numpy", "six", "scikit-learn"] {
        let found = client
            .project(&name(project))
            .await
            .expect("an answer")
            .expect("known");
        let wheels = found
            .files
            .iter()
            .filter(|file| file.kind == FileKind::Wheel);
        let newest = wheels
            .max_by_key(|file| file.version.clone())
            .expect("a wheel");
        let metadata = client.metadata(&found, newest).await.expect("metadata");
        assert_eq!(metadata.version, newest.version);
    }
    let unknown = name("no-such-project-of-this-name-is-there");
    assert_eq!(client.project(&unknown).await.expect("an answer"), None);
}
