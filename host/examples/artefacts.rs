//! Size, start and first prediction of each artefact of the credit model, as a table.
//!
//! `make artefacts` runs it. Times are medians; the store is in memory and every prediction a miss.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use foretold::CacheFolder;
use foretold::ModelDir;
use foretold::Target;
use foretold::bake;
use foretold::predictor::Predictor;
use foretold::unstable::MemoryStore;
use foretold::unstable::{Pool, PoolConfig};
use foretold::unstable::{Program, Source};
use foretold::unstable::{Request, Settings};

const ROUNDS: u32 = 1000;
const MAX_MEMORY_BYTES: usize = 128 << 20;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let folder = tempfile::tempdir()?;
    let folder = CacheFolder::open(&folder.path().join("cache"))?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let model = ModelDir::read(&root.join("models/credit"))?;
    println!("| artefact | size MB | fresh instance µs | fresh instance and first prediction µs |");
    println!("|---|---|---|---|");
    for target in [Target::Edge, Target::Spin, Target::Library] {
        let component = runtime.block_on(bake(target.generic()?, &model))?;
        let megabytes = component.len() as f64 / 1e6;
        let (fresh, first) = match target {
            Target::Library => in_a_program(component, &folder)?,
            Target::Edge | Target::Spin => runtime.block_on(in_a_host(component, &folder))?,
        };
        println!("| {} | {megabytes:.1} | {fresh} | {first} |", target.name());
    }
    Ok(())
}

/// Through the host's pool, with an instance per request. A path that is not there takes an
/// instance and no prediction.
async fn in_a_host(component: Vec<u8>, folder: &CacheFolder) -> Result<(u128, u128)> {
    let program = Program::load(Source::Baked(component), folder, MAX_MEMORY_BYTES).await?;
    let config = PoolConfig {
        max_memory_bytes: MAX_MEMORY_BYTES,
        timeout: Duration::from_secs(5),
        isolate: true,
        ..PoolConfig::for_one_caller(Settings::default())
    };
    let pool = Pool::new(program, Arc::new(MemoryStore::new(1 << 28)), config).await?;
    let call = async |path: &str, body: &str, status: u16| -> Result<u128> {
        let start = Instant::now();
        let response = pool.call(Request::of_json(path, body.as_bytes())).await;
        let microseconds = start.elapsed().as_micros();
        let response = response.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        ensure!(
            response.response.status == status,
            "{path} answers with {}",
            response.response.status
        );
        Ok(microseconds)
    };
    let (mut fresh, mut first) = (Vec::new(), Vec::new());
    for i in 0..ROUNDS {
        fresh.push(call("/none", "", 404).await?);
        let (age, rate) = (18 + i % 100, f64::from(10 + i / 100) / 10.0);
        let body = format!(
            r#"{{"installment_rate_in_percentage_of_disposable_income": {rate}, "age_in_years": {age}, "foreign_worker": "yes", "present_employment_since": "unemployed", "personal_status_and_sex": "male: single"}}"#
        );
        first.push(call("/decisions", &body, 200).await?);
    }
    Ok((median(fresh), median(first)))
}

/// Through a `Predictor`, which is made anew for each prediction.
fn in_a_program(component: Vec<u8>, folder: &CacheFolder) -> Result<(u128, u128)> {
    let credit = Predictor::new(component, folder, &[], HashMap::new())?;
    let row = [
        ("installment_rate_in_percentage_of_disposable_income", 0.25.into()),
        ("age_in_years", 30.into()),
        ("foreign_worker", "yes".into()),
        ("present_employment_since", "unemployed".into()),
        ("personal_status_and_sex", "male: single".into()),
    ];
    let (mut fresh, mut first) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut another = credit.again(HashMap::new())?;
        fresh.push(start.elapsed().as_micros());
        let prediction = another.predict(&row)?;
        first.push(start.elapsed().as_micros());
        ensure!(!prediction.cache.hit, "the store is empty");
    }
    Ok((median(fresh), median(first)))
}

fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}
