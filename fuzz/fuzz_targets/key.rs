//! Keys: their grammar, model ids, and the rows in them.

#![no_main]

use foretold_core::cache::key::{self, Form, ModelId, Parsed};
use foretold_core::settings::KeyFormat;
use foretold_fuzz::{CREDIT, CREDIT_FULL};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<ModelId>() {
        assert_eq!(id.to_string(), text);
        assert!(key::is_model_id(text));
    }
    if let Some(Parsed::Model { model, rest }) = key::parse(text) {
        assert_eq!(key::join(model, rest), text);
        assert!(key::range(model).contains(&text.to_owned()));
        let _ = Form::parse(rest);
    }
    let _ = Form::parse(text);
    for service in [&*CREDIT, &*CREDIT_FULL] {
        let layout = service.key_layout();
        // As it is, and as what follows the model in a key.
        for key in [text.to_owned(), key::join(service.version(), text)] {
            let Some(row) = layout.row(&key) else { continue };
            let packed = layout.pack(&row);
            assert_eq!(layout.unpack(&packed).as_ref(), Some(&row));
            let format = match key.contains(":r{") {
                true => KeyFormat::Readable,
                false if packed.len() > 16 => continue,
                false => KeyFormat::Packed,
            };
            assert_eq!(layout.key(format, None, None, &packed), key);
        }
    }
});
