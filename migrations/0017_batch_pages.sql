-- At 20 % each batch had a page of its own, 8.4 kB, so that the next version of its counters finds room beside the last and no index is
-- touched. It finds as much at 90 %, where a batch takes 1.2 kB: 97.5 % of the 833 updates of a batch of 20,000 images touched no index, 97.6 %
-- of 951 at 20 % and 92.3 % of 594 at 50 % (2026-11-28). Of 3,000 updates made one by one among 1,603 batches, with a snapshot held for 100 ms
-- at a time, it was 88 to 90 % at 20, 50, 90 and 100 % alike: a row that is changed often moves to a page with room, once. Pages that are
-- there stay as they are, and take more batches.
ALTER TABLE "batch" SET (fillfactor = 90);
