//! Bounds on what is baked and compiled, and the folder that compiled code is kept in.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use foretold::{BakeLimits, ModelDir, Target};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::bake::bake_refusal;
use crate::harness::credit::{SAMPLE, copy_of_credit, credit};
use crate::harness::host::{Host, foretold};
use crate::harness::onnx::{TABLE_MANIFEST, forest, table};
use crate::harness::refusal::refusal;
use crate::harness::secret::Secret;
use crate::hostile::{NO_IMPORT, component};

fn bake(source: &Path, output: &Path, options: &[&str]) -> Output {
    foretold().arg("bake").arg(source).arg("-o").arg(output).args(options).output().unwrap()
}

/// A folder with a model that takes more than 128 MiB when it is loaded.
fn large_model() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("manifest.toml"), TABLE_MANIFEST).unwrap();
    fs::write(folder.path().join("model.onnx"), table(16 << 20)).unwrap();
    folder
}

/// A folder of compiled code, and a component of ours by all that a host asks, which compiles at
/// once.
pub(crate) struct Small {
    folder: TempDir,
}

impl Small {
    pub(crate) fn new() -> Small {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("small.wasm"), component("", NO_IMPORT)).unwrap();
        Small { folder }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("small.wasm")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// A host after what a shell does first.
    pub(crate) fn start_after(&self, shell: &str) -> Host {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{shell}; exec \"$@\""), "sh"]);
        command.arg(foretold().get_program()).arg("serve").arg(self.file());
        command.args(["--listen", "127.0.0.1:0", "--cache-dir"]).arg(self.cache());
        let host = Host::run(command);
        assert_eq!(host.post("/answer", "").status, 200);
        host
    }

    pub(crate) fn start(&self) -> Host {
        self.start_after(":")
    }

    fn refusal(&self, cache: &Path) -> String {
        refusal(&self.file(), &["--cache-dir", cache.to_str().unwrap()], &[])
    }

    /// The files in the folder of compiled code.
    pub(crate) fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

pub(crate) fn compiles(host: &Host) -> bool {
    host.log().contains("compiled in")
}

#[test]
fn a_large_model_is_baked_with_a_bound_that_is_raised_and_refused_with_what_it_needs() {
    let folder = large_model();
    let output = folder.path().join("out.wasm");
    let error = bake_refusal(folder.path(), &output);
    assert!(error.contains("needs ") && error.contains("and 128 MiB are allowed"), "{error}");
    assert!(error.contains("--max-memory-mib"), "{error}");
    assert!(!error.contains("backtrace") && !error.contains("panicked"), "{error}");
    assert!(!output.exists());
    let baked = bake(folder.path(), &output, &["--max-memory-mib", "1024"]);
    assert!(baked.status.success(), "{}", String::from_utf8_lossy(&baked.stderr));
    assert!(fs::read(&output).unwrap().starts_with(b"\0asm"));
}

#[test]
fn a_model_that_takes_too_long_to_load_is_refused() {
    let model = ModelDir::read(&credit()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limits = BakeLimits { time: Duration::ZERO, ..BakeLimits::default() };
    let generic = Target::Edge.generic().unwrap();
    let error = runtime.block_on(foretold::bake_within(generic, &model, &limits)).unwrap_err();
    assert!(error.to_string().contains("takes longer than 0 s"), "{error:#}");
}

#[test]
fn only_plain_files_of_a_bounded_size_are_baked() {
    for name in ["manifest.toml", "model.onnx"] {
        let folder = copy_of_credit();
        let (file, output) = (folder.path().join(name), folder.path().join("out.wasm"));
        let refused = || {
            let start = Instant::now();
            let error = bake_refusal(folder.path(), &output);
            assert!(start.elapsed() < Duration::from_secs(20), "{error}");
            error
        };
        fs::remove_file(&file).unwrap();
        symlink("/dev/zero", &file).unwrap();
        assert!(refused().contains("no plain file"));
        fs::remove_file(&file).unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        symlink(&pipe, &file).unwrap();
        assert!(refused().contains("no plain file"));
        fs::remove_file(&file).unwrap();
        // It takes no room on the disk.
        fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
        assert!(refused().contains("it is longer than"));
    }
}

#[test]
fn a_component_is_read_from_a_plain_file_too() {
    let error = refusal(Path::new("/dev/zero"), &[], &[]);
    assert!(error.contains("no plain file"), "{error}");
}

#[test]
fn a_damaged_file_of_compiled_code_is_noticed_and_made_anew() {
    let small = Small::new();
    assert!(compiles(&small.start()));
    let [file] = &small.kept()[..] else { panic!("{:?}", small.kept()) };
    let whole = fs::read(file).unwrap();
    assert!(!compiles(&small.start()));
    // In the middle, in the digest, and cut off where a killed host could have left it.
    let mut damaged = vec![whole.clone(), whole.clone(), whole[..whole.len() / 2].to_vec(), vec![]];
    damaged[0][whole.len() / 2] ^= 1;
    damaged[1][whole.len() - 1] ^= 1;
    for content in damaged {
        fs::write(file, content).unwrap();
        let host = small.start();
        assert!(host.log().contains("is damaged") && compiles(&host), "{}", host.log());
        drop(host);
        assert_eq!(fs::read(file).unwrap().len(), whole.len());
        assert!(!compiles(&small.start()));
    }
}

#[test]
fn what_is_in_place_of_a_file_of_compiled_code_is_not_loaded() {
    let small = Small::new();
    drop(small.start());
    let [file] = &small.kept()[..] else { panic!("{:?}", small.kept()) };
    // A link to the same content.
    let elsewhere = small.folder.path().join("elsewhere");
    fs::rename(file, &elsewhere).unwrap();
    symlink(&elsewhere, file).unwrap();
    assert!(compiles(&small.start()));
    assert!(file.symlink_metadata().unwrap().is_file());
    // One that others may have written.
    fs::set_permissions(file, Permissions::from_mode(0o666)).unwrap();
    assert!(compiles(&small.start()));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_disk_that_takes_nothing_stops_neither_this_start_nor_the_next() {
    let small = Small::new();
    for _ in 0..2 {
        let host = small.start_after("trap '' XFSZ; ulimit -f 0");
        assert!(host.log().contains("cannot be kept"), "{}", host.log());
        assert!(small.kept().is_empty(), "{:?}", small.kept());
    }
    assert!(compiles(&small.start()));
    assert!(!compiles(&small.start()));
}

#[test]
fn what_killed_hosts_were_writing_is_removed_later() {
    let small = Small::new();
    drop(small.start());
    fs::remove_file(&small.kept()[0]).unwrap();
    let (old, new) = (small.cache().join(".tmp1-1"), small.cache().join(".tmp2-2"));
    for file in [&old, &new] {
        fs::write(file, "half").unwrap();
    }
    let an_hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(&old).unwrap().set_modified(an_hour_ago).unwrap();
    drop(small.start());
    assert!(!old.exists() && new.exists(), "{:?}", small.kept());
}

#[test]
fn a_cache_folder_below_one_that_others_can_write_to_is_refused() {
    let small = Small::new();
    let parent = small.folder.path().join("parent");
    fs::create_dir(&parent).unwrap();
    let cache = parent.join("deep/cache");
    for mode in [0o777, 0o757] {
        fs::set_permissions(&parent, Permissions::from_mode(mode)).unwrap();
        let error = small.refusal(&cache);
        assert!(error.contains("can be written to by other users"), "{error}");
        assert!(!parent.join("deep").exists());
    }
    // A link in the path is followed before anything is checked.
    let link = small.folder.path().join("link");
    symlink(&parent, &link).unwrap();
    assert!(small.refusal(&link.join("cache")).contains("can be written to by other users"));
    // As /tmp is.
    fs::set_permissions(&parent, Permissions::from_mode(0o1777)).unwrap();
    let mut serve = foretold();
    serve.arg("serve").arg(small.file()).args(["--listen", "127.0.0.1:0", "--cache-dir"]);
    serve.arg(link.join("deep/cache"));
    drop(Host::run(serve));
    let mode = |folder: &Path| folder.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&parent.join("deep")), mode(&cache)), (0o700, 0o700));
    // A link that leads nowhere is not made a folder of.
    let nowhere = small.folder.path().join("nowhere");
    symlink(small.folder.path().join("none"), &nowhere).unwrap();
    assert!(small.refusal(&nowhere).contains("cannot open the folder"));
}

#[test]
fn files_with_requests_or_secrets_that_others_can_read_are_told_of() {
    let small = Small::new();
    let path = small.folder.path().join("store.redb");
    let store = format!("file:{}", path.display());
    let secret = Secret::new("sixteen bytes or more");
    let options = ["--store", &store, "--mac-secret-file", secret.path()];
    let warnings = |options: &[&str]| {
        let host = Host::start(&small.file(), options);
        host.log().matches("can be read by every user").count()
    };
    assert_eq!(warnings(&options), 0);
    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    for file in [&*path, Path::new(secret.path())] {
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
    assert_eq!(warnings(&options), 2);
}

#[test]
fn a_model_that_does_not_fit_is_told_without_a_backtrace() {
    let error = refusal(&credit(), &["--no-snapshot", "--max-memory-mib", "2"], &[]);
    assert!(error.contains("--max-memory-mib"), "{error}");
    for unwanted in ["backtrace", "0x", "!<", "panicked"] {
        assert!(!error.contains(unwanted), "{error}");
    }
    // The smallest that the model fits into is enough for a request.
    let host = Host::credit(&["--max-memory-mib", "128"]);
    assert_eq!(host.post("/decisions", SAMPLE).status, 200);
}

#[test]
fn a_large_forest_takes_what_its_nodes_take() {
    const TREES: u64 = 60;
    const DEPTH: u32 = 10;
    let folder = TempDir::new().unwrap();
    let size = |model: Vec<u8>| {
        fs::write(folder.path().join("manifest.toml"), TABLE_MANIFEST).unwrap();
        fs::write(folder.path().join("model.onnx"), model).unwrap();
        let baked = folder.path().join("forest.wasm");
        let output = bake(folder.path(), &baked, &[]);
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && log.contains("an instance takes "), "{log}");
        fs::metadata(baked).unwrap().len()
    };
    let small = size(forest(1, 1, 1));
    let nodes = TREES * (2 << DEPTH);
    // 8 bytes a node, and for several targets a vector for each leaf.
    for (targets, bytes) in [(3, 16), (1, 8)] {
        let model = forest(TREES, DEPTH, targets);
        assert!(model.len() > 3 << 20, "{}", model.len());
        // Half as much for what else comes to lie in the instance.
        let own = size(model) - small;
        assert!(own < bytes * 3 / 2 * nodes, "{own} bytes, {nodes} nodes, {targets} targets");
    }
    // Also where the model's folder is served: it is made small there, too.
    for source in [folder.path().to_owned(), folder.path().join("forest.wasm")] {
        let host = Host::start(&source, &[]);
        for x in [0, 1, 511, 512, 1000] {
            let answer = host.post("/numbers", &format!(r#"{{"x": {x}}}"#));
            assert_eq!(answer.body, format!(r#"{{"number":{}.0}}"#, x * TREES), "{source:?}");
        }
    }
}
