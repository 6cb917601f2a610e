-- Colours that are said by numbers came out paler or darker, and inputs that were compressed well larger: see PICTURES in domain/source-key.ts.
TRUNCATE known_source;
