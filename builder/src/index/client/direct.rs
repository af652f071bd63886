//! A file at an address of its own (PEP 508 `name @ url`).
//!
//! In: the address of a wheel or of a source distribution, on the network or on this machine. Out:
//! a project of that one file, with its digest. Never: takes a file whose digest is not the one
//! that the address names (`#sha256=`), or a wheel that is not sound; shows a credential.

use std::path::PathBuf;

use pep508_rs::PackageName;
use pyrun_core::{Fault, Sha256, WheelFilename};
use url::Url;

use super::{Client, blocking, parse_url};
use crate::index::address::percent_decode;
use crate::index::download::Expected;
use crate::index::http::{as_promised, broken};
use crate::index::links::measure;
use crate::index::{Announced, File, FileKind, IndexError, Project, filename};
use crate::wheel;

impl Client {
    /// The project at an address.
    pub(super) async fn find_address(
        &self,
        name: &PackageName,
        text: &str,
    ) -> Result<Project, IndexError> {
        let (mut url, key) = parse_url(text)?;
        let promised = promised(&url)?;
        url.set_fragment(None);
        let filename = percent_decode(url.path().rsplit('/').next().unwrap_or_default());
        let (kind, version) =
            filename::split(&filename, name).ok_or_else(|| no_file(name, &url))?;
        let version = version.replace('_', "-").parse();
        let version = version.map_err(|_| no_file(name, &url))?;
        let (path, size, sha256) = if url.scheme() == "file" {
            self.file_here(&url, promised).await?
        } else {
            let expected = Expected {
                size: None,
                sha256: promised,
            };
            let kept = promised.filter(|sha256| self.cache.wheel(sha256).is_file());
            let sha256 = match kept {
                Some(sha256) => sha256,
                None => self.keep_wheel(&url, key, expected).await?,
            };
            let path = self.cache.wheel(&sha256);
            let size = fs_err::metadata(&path).map_err(|source| IndexError::Unwritable {
                path: path.clone(),
                source,
            })?;
            (path, size.len(), sha256)
        };
        if kind == FileKind::Wheel {
            sound(path, &filename).await?;
        }
        let file = File {
            kind,
            filename,
            version,
            url: url.into(),
            sha256: Some(sha256),
            size: Some(size),
            requires_python: None,
            yanked: None,
            upload_time: None,
            metadata: Announced::Silent,
            linked: true,
        };
        Ok(Project {
            name: name.clone(),
            index: String::new(),
            files: vec![file],
            status: None,
        })
    }

    async fn file_here(
        &self,
        url: &Url,
        promised: Option<Sha256>,
    ) -> Result<(PathBuf, u64, Sha256), IndexError> {
        let path = url
            .to_file_path()
            .map_err(|()| broken(url, "is no path of this machine"))?;
        let (size, found) = measure(path.clone()).await?;
        as_promised(url, promised, found)?;
        Ok((path, size, found))
    }
}

/// The digest that an address names (`#sha256=`), as installers have it. A folder within an archive
/// can't be asked for.
fn promised(url: &Url) -> Result<Option<Sha256>, IndexError> {
    let mut digest = None;
    for part in url.fragment().unwrap_or_default().split('&') {
        match part.split_once('=') {
            Some(("sha256", text)) => {
                let wrong = |_| broken(url, "names a sha256 that is none");
                digest = Some(text.parse().map_err(wrong)?);
            }
            Some(("subdirectory", _)) => {
                return Err(broken(
                    url,
                    "names a folder within an archive, which can't be built",
                ));
            }
            _ => {}
        }
    }
    Ok(digest)
}

fn no_file(name: &PackageName, url: &Url) -> IndexError {
    let stem = name.as_dist_info_name();
    broken(
        url,
        format!(
            "is no file of `{name}` by its name: `{stem}-VERSION-….whl` or `{stem}-VERSION.tar.gz` \
             is expected"
        ),
    )
}

/// Checks a wheel as it would be before it is installed.
async fn sound(path: PathBuf, filename: &str) -> Result<(), IndexError> {
    let refused = |fault| IndexError::Refused(Box::new(fault));
    let filename: WheelFilename = filename.parse().map_err(|error| {
        let fault = Fault::from_error(pyrun_core::Code::WHEEL_INVALID, &error);
        refused(fault)
    })?;
    let check = move || wheel::check(&path, &filename, &wheel::Limits::default());
    match blocking(check).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(error.into())),
    }
}
