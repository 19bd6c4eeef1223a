-- A table that was made again and came out as it stood keeps the fingerprint by which others know its rows.
COMMENT ON COLUMN ops.built_from.source
IS 'File, table, code list, rules or software that it was made from; `its rows` for what it is known by.';
COMMENT ON COLUMN ops.built_from.fingerprint
IS 'Fingerprint of that source when the table was built; of `its rows`, when a row last came out other.';
