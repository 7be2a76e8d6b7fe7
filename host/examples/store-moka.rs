//! A moka cache as the store of a predictor: it keeps what is asked for most, within a bound.
//!
//! After `make library`: `cargo run --release --example store-moka dist/credit-library.wasm`.

use std::time::Duration;

use anyhow::{Context, Result};
use foretold::StoreError;
use foretold::predictor::{KeyValue, Predictor};
use moka::sync::Cache;

struct Moka(Cache<String, Vec<u8>>);

impl KeyValue for Moka {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key))
    }

    // The component judges an entry's age itself; what is too old makes room like what nobody asks for.
    fn set(&mut self, key: &str, value: &[u8], _: Duration) -> Result<(), StoreError> {
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}

fn main() -> Result<()> {
    let component = std::env::args_os().nth(1).context("usage: store-moka COMPONENT")?;
    let mut credit = Predictor::from_file(component, Moka(Cache::new(100_000)))?;
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
