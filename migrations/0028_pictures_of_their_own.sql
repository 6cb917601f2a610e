-- AVIFs with Exif came out larger than they were, and what takes too long to read was linked on: see PICTURES in domain/image/source-key.ts.
TRUNCATE known_source;
