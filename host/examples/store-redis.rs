//! A Redis as the store of a predictor: its entries are those of `foretold serve` with
//! `--store redis://…` and the layout `string`, so both hit what the other stored.
//!
//! After `make library`:
//! `cargo run --release --example store-redis dist/credit-library.wasm redis://127.0.0.1:6379`.

use std::time::Duration;

use anyhow::{Context, Result};
use foretold::StoreError;
use foretold::predictor::{KeyValue, Predictor};
use redis::Commands;

/// While it is away, predictions are computed; a program that runs for long connects again.
struct Redis(redis::Connection);

impl KeyValue for Redis {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).map_err(|error| StoreError(error.to_string()))
    }

    fn set(&mut self, key: &str, value: &[u8], time_to_live: Duration) -> Result<(), StoreError> {
        let set = self.0.set_ex(key, value, time_to_live.as_secs().max(1));
        set.map_err(|error| StoreError(error.to_string()))
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let component = arguments.next().context("usage: store-redis COMPONENT URL")?;
    let url = arguments.next().context("usage: store-redis COMPONENT URL")?;
    let connection =
        redis::Client::open(url)?.get_connection_with_timeout(Duration::from_secs(1))?;
    let mut credit = Predictor::from_file(component, Redis(connection))?;
    for _ in 0..2 {
        let prediction = credit.predict(&[
            ("installment_rate_in_percentage_of_disposable_income", 0.25.into()),
            ("age_in_years", 30.into()),
            ("foreign_worker", "yes".into()),
            ("present_employment_since", "unemployed".into()),
            ("personal_status_and_sex", "male: single".into()),
        ])?;
        println!("{:?}, hit: {}", prediction.outputs, prediction.cache.hit);
    }
    Ok(())
}
