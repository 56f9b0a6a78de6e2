//! End to end: the synthesised state machine, the shipped functions and dumper, a real PostgreSQL.
//!
//! All cases share one local cloud and run side by side; each has secrets of its own. Needs
//! what `scripts/build-assets` and `pnpm install` make.
//!
//! `cargo test -p autodump-local --test e2e -- NAME` runs the cases whose names contain NAME.

mod backups;
mod bad_input;
mod by_hand;
mod conversions;
mod databases;
mod faults;
mod good;
mod halted;
mod mongodb;
mod mongodb_faults;
mod mongodb_input;
mod mongodb_restores;
mod mongodb_source;
mod options;
mod restores;
mod servers;
mod signals;
mod snapshot_ends;
mod snapshot_limits;
mod snapshots;
mod table_ends;
mod table_items;
mod table_requests;
mod table_restores;
mod tables;
mod tags;
mod tap;
mod verifications;
mod world;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use world::World;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // More would only wait for the two processors and moto's one thread.
    arguments.test_threads = arguments.test_threads.or(Some(6));
    let cases: Vec<_> = [
        good::CASES,
        tags::CASES,
        by_hand::CASES,
        options::CASES,
        verifications::CASES,
        restores::CASES,
        bad_input::CASES,
        faults::CASES,
        servers::CASES,
        signals::CASES,
        tables::CASES,
        table_ends::CASES,
        table_restores::CASES,
        table_requests::CASES,
        snapshots::CASES,
        snapshot_ends::CASES,
        snapshot_limits::CASES,
        conversions::CASES,
        mongodb::CASES,
        mongodb_input::CASES,
        mongodb_restores::CASES,
        mongodb_source::CASES,
        mongodb_faults::CASES,
    ]
    .concat();
    if arguments.list {
        let listed = cases.iter().map(|(name, _)| Trial::test(*name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, listed).exit_code();
    }
    let runtime = Arc::new(tokio::runtime::Runtime::new().expect("a runtime"));
    let world = match runtime.block_on(World::start()) {
        Ok(world) => Arc::new(world),
        Err(error) => {
            eprintln!("e2e: the local cloud cannot be brought up: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trials = cases
        .into_iter()
        .map(|(name, case)| {
            let (world, runtime) = (Arc::clone(&world), Arc::clone(&runtime));
            Trial::test(name, move || {
                runtime.block_on(case(world)).map_err(|error| format!("{error:#}").into())
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    match Arc::try_unwrap(world) {
        Ok(world) => runtime.block_on(world.stop()),
        Err(world) => drop(world),
    }
    conclusion.exit_code()
}
