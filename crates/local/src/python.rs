//! The virtual environment that moto runs in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::say::progress;

/// Returns the Python of an environment that holds `python/requirements.txt`, and makes the
/// environment when it is not there yet. Environments lie under `target/`, named by a hash of the
/// requirements.
pub(crate) async fn environment(target_dir: &Path) -> Result<PathBuf> {
    let requirements = shim_dir().join("requirements.txt");
    let text = std::fs::read(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let name = format!("local-venv-{}", &hex::encode(Sha256::digest(&text))[..12]);
    let venv = target_dir.join(name);
    let python = venv.join("bin/python");
    if venv.join("complete").exists() {
        return Ok(python);
    }
    // Made beside its place and moved there, so that two programs can make it at once. The
    // environment is used by its Python's path only, so the scripts that hold the first path do not
    // matter.
    std::fs::create_dir_all(target_dir)?;
    let fresh = tempfile::Builder::new().prefix("local-venv-new-").tempdir_in(target_dir)?;
    progress(&format!(
        "making a Python environment with moto in {} (once, about a minute)",
        venv.display()
    ));
    run(Command::new("python3").args(["-m", "venv"]).arg(fresh.path())).await?;
    let mut pip = Command::new(fresh.path().join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    run(pip.arg(&requirements)).await?;
    std::fs::write(fresh.path().join("complete"), "")?;
    if std::fs::rename(fresh.path(), &venv).is_ok() {
        let _ = fresh.keep();
    } else if !venv.join("complete").exists() {
        bail!("cannot move the new Python environment to {}: remove what is there", venv.display());
    }
    Ok(python)
}

/// Where the repairs of moto lie.
pub(crate) fn shim_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}

async fn run(command: &mut Command) -> Result<()> {
    let line = format!("{:?}", command.as_std());
    let output = command.output().await.with_context(|| format!("cannot run {line}"))?;
    if !output.status.success() {
        bail!("{line} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
