//! `spm info`: what a model file holds.

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use sparse_modeling::models::file;
use sparse_modeling::solvers::Status;

use super::atoms::Atoms;
use crate::Context;
use crate::error::CliError;
use crate::io::write_array;
use crate::outcome::Outcome;

/// What a saved model is: kind, format version, shapes, checksum.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model file.
    model: PathBuf,
    /// Write the atoms of a dictionary or an encoder, K × d.
    #[arg(long, value_name = "FILE")]
    atoms: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, _ctx: &Context) -> Result<Outcome, CliError> {
    let info = file::inspect(&args.model).map_err(|e| CliError::from(e).within(&args.model))?;
    if let Some(path) = &args.atoms {
        write_array(path, &Atoms::read(&args.model)?.into_array())?;
    }
    let shapes: Map<String, Value> = info.shapes.iter().map(|s| (s.name.clone(), json!(s.dims))).collect();
    Ok(Outcome::new("info")
        .status(Status::Converged)
        .set("kind", info.name)
        .set("kind_id", info.kind)
        .set("format", info.format)
        .set("codec", info.codec)
        .set("scalar", info.scalar)
        .set("shapes", shapes)
        .set("payload_bytes", info.payload_bytes)
        .set("checksum", format!("{:08x}", info.checksum)))
}
