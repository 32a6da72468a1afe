//! What the routes take.

use crate::logical::Field;

pub(super) const ENCRYPT: &[Field] = &[
    Field::text("associated_data", "Associated data in base64"),
    Field::objects("batch_input", "Items of a batch"),
    Field::text("context", "Context"),
    Field::flag("convergent_encryption", "Whether the same message gives the same ciphertext"),
    Field::integer("key_version", "Version of the key, 0 for the newest"),
    Field::integer("partial_failure_response_code", "Status of a batch that failed in part"),
    Field::text("plaintext", "Message in base64"),
    Field::text("type", "Its type"),
];

pub(super) const DECRYPT: &[Field] = &[
    Field::text("associated_data", "Associated data in base64"),
    Field::objects("batch_input", "Items of a batch"),
    Field::text("ciphertext", "What encrypting gave"),
    Field::text("context", "Context"),
    Field::integer("partial_failure_response_code", "Status of a batch that failed in part"),
];

pub(super) const REWRAP: &[Field] = &[
    Field::text("associated_data", "Data that the ciphertext is bound to"),
    Field::objects("batch_input", "Items of a batch"),
    Field::text("ciphertext", "What encrypting gave"),
    Field::text("context", "Context"),
    Field::integer("key_version", "Version of the key, 0 for the newest"),
];

pub(super) const SIGN: &[Field] = &[
    Field::text("algorithm", "Hash function"),
    Field::objects("batch_input", "Items of a batch"),
    Field::text("context", "Context"),
    Field::text("hash_algorithm", "Hash function"),
    Field::text("input", "The input"),
    Field::integer("key_version", "Version of the key, 0 for the newest"),
    Field::text("marshaling_algorithm", "Form of the signature"),
    Field::flag("prehashed", "Whether the input is a hash already"),
    Field::text("salt_length", "Salt of RSA-PSS"),
    Field::text("signature_algorithm", "Padding of RSA signatures"),
];

pub(super) const VERIFY: &[Field] = &[
    Field::text("algorithm", "Hash function"),
    Field::objects("batch_input", "Items of a batch"),
    Field::text("context", "Context"),
    Field::text("hash_algorithm", "Hash function"),
    Field::text("hmac", "Whether values are hashed"),
    Field::text("input", "The input"),
    Field::text("marshaling_algorithm", "Form of the signature"),
    Field::flag("prehashed", "Whether the input is a hash already"),
    Field::text("salt_length", "Salt of RSA-PSS"),
    Field::text("signature", "The signature"),
    Field::text("signature_algorithm", "Padding of RSA signatures"),
];

pub(super) const HMAC: &[Field] = &[
    Field::text("algorithm", "Hash function"),
    Field::objects("batch_input", "Items of a batch"),
    Field::text("input", "The input"),
    Field::integer("key_version", "Version of the key, 0 for the newest"),
];

pub(super) const DATAKEY: &[Field] = &[
    Field::text("associated_data", "Associated data in base64"),
    Field::integer("bits", "Bits of the new key"),
    Field::text("context", "Context"),
    Field::integer("key_version", "Version of the key, 0 for the newest"),
];

pub(super) const RANDOM: &[Field] = &[
    Field::integer("bytes", "How many bytes"),
    Field::text("format", "Form of the output"),
    Field::text("source", "Source of the bytes"),
];

pub(super) const HASH: &[Field] = &[
    Field::text("algorithm", "Hash function"),
    Field::text("format", "Form of the output"),
    Field::text("input", "The input"),
];

pub(super) const KEYS: &[Field] = &[
    Field::flag("allow_plaintext_backup", "Whether it may be backed up"),
    Field::seconds("auto_rotate_period", "How often it is rotated by itself"),
    Field::text("context", "Context"),
    Field::flag("convergent_encryption", "Whether the same message gives the same ciphertext"),
    Field::flag("derived", "Whether each context has its own key"),
    Field::flag("exportable", "Whether it may be exported"),
    Field::integer("key_size", "Bytes of an HMAC key"),
    Field::text("type", "Its type"),
];

pub(super) const KEYS_CONFIG: &[Field] = &[
    Field::flag("allow_plaintext_backup", "Whether it may be backed up"),
    Field::seconds("auto_rotate_period", "How often it is rotated by itself"),
    Field::flag("deletion_allowed", "Whether it may be deleted"),
    Field::flag("exportable", "Whether it may be exported"),
    Field::integer("min_decryption_version", "Oldest version that decrypts"),
    Field::integer("min_encryption_version", "Oldest version that encrypts"),
];

pub(super) const KEYS_TRIM: &[Field] =
    &[Field::integer("min_available_version", "Oldest version to keep")];

pub(super) const KEYS_IMPORT: &[Field] = &[
    Field::flag("allow_plaintext_backup", "Whether it may be backed up"),
    Field::flag("allow_rotation", "Whether it may be rotated here"),
    Field::seconds("auto_rotate_period", "How often it is rotated by itself"),
    Field::text("ciphertext", "What encrypting gave"),
    Field::text("context", "Context"),
    Field::flag("derived", "Whether each context has its own key"),
    Field::flag("exportable", "Whether it may be exported"),
    Field::text("hash_function", "Hash function that the wrapping used"),
    Field::text("public_key", "Public key in PEM"),
    Field::text("type", "Its type"),
];

pub(super) const KEYS_IMPORT_VERSION: &[Field] = &[
    Field::text("ciphertext", "What encrypting gave"),
    Field::text("hash_function", "Hash function that the wrapping used"),
    Field::text("public_key", "Public key in PEM"),
    Field::integer("version", "Version"),
];

pub(super) const KEYS_CSR: &[Field] = &[
    Field::text("csr", "Certificate request to take names from"),
    Field::integer("version", "Version"),
];

pub(super) const KEYS_SET_CERTIFICATE: &[Field] = &[
    Field::text("certificate_chain", "Certificates in PEM"),
    Field::integer("version", "Version"),
];

pub(super) const DERIVE_KEY: &[Field] = &[
    Field::text("base_key_name", "Key to agree with"),
    Field::integer("base_key_version", "Version of that key"),
    Field::text("derived_key_type", "Type of the new key"),
    Field::text("key_derivation_algorithm", "How the key is derived"),
    Field::text("peer_public_key", "Public key of the other side"),
];

pub(super) const RESTORE_FIELDS: &[Field] = &[
    Field::text("backup", "The backup to restore"),
    Field::flag("force", "Whether a key of that name is replaced"),
    Field::text("name", "Its name"),
];

pub(super) const RESTORE_BY_PATH: &[Field] = &[
    Field::text("backup", "The backup to restore"),
    Field::flag("force", "Whether a key of that name is replaced"),
];

pub(super) const CONFIG_KEYS: &[Field] =
    &[Field::flag("disable_upsert", "Whether encrypting never creates keys")];

pub(super) const CACHE_CONFIG: &[Field] = &[Field::integer("size", "How many keys are cached")];

pub(super) const EXPORT: &[Field] = &[Field::text("format", "Form of the keys").query()];

pub(super) const BYOK_EXPORT: &[Field] =
    &[Field::text("hash", "Hash function of the wrapping").query()];
