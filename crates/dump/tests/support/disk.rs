//! A small disk of a server's own, to be filled up.

use std::fs::{File, create_dir, remove_file};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::postgres::{Server, give_away};

/// What fills it.
const FILLING: &str = "filling";

/// A file system in memory; unmounted when dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// One of so many MiB that the server can write to, or `None` (said loudly) where nothing can
    /// be mounted.
    pub(crate) fn of(server: &Server, mib: u32) -> Option<Self> {
        let path = server.directory().join("disk");
        create_dir(&path).unwrap();
        let size = format!("size={mib}m");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).output();
        let refused = match mount {
            Ok(done) if done.status.success() => {
                give_away(&path);
                return Some(Self(path));
            }
            Ok(done) => String::from_utf8_lossy(&done.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        eprintln!("SKIPPED: no disk can be mounted here: {}", refused.trim());
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the tablespace `small` on it.
    pub(crate) fn tablespace(&self, server: &Server) {
        let directory = self.0.join("space");
        create_dir(&directory).unwrap();
        give_away(&directory);
        let sql = format!("CREATE TABLESPACE small LOCATION '{}'", directory.display());
        server.sql("postgres", &sql);
    }

    /// Leaves no byte of room.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.0.join(FILLING)).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    /// Takes the filling away again.
    pub(crate) fn relieve(&self) {
        remove_file(self.0.join(FILLING)).unwrap();
    }

    /// Gives it another size.
    pub(crate) fn resize(&self, mib: u32) {
        let size = format!("remount,size={mib}m");
        let done = Command::new("mount").args(["-o", &size]).arg(&self.0).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The server may still have files open on it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
