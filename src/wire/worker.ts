import { readThreadsMax } from "../../bin/threads-max.js";
import { encoderMbMax } from "../encoder-defaults.ts";
import { findSealedHeaders } from "../db/batches.ts";
import { HOSTS_CHANNEL } from "../db/host-pauses.ts";
import { listen } from "../db/connection/listen.ts";
import { succeeded } from "../domain/image/stage-result.ts";
import { EncoderPool } from "../image/pool/encoder-pool.ts";
import { inspectImage, PIXELS_MAX } from "../image/inspect.ts";
import { DOWNLOAD_LIMITS, IMAGE_ACCEPT } from "../net/download-limits.ts";
import { createDownloader } from "../net/download.ts";
import { JOBS_CHANNEL } from "../queue/news.ts";
import { orStorageFailed } from "../storage/or-storage-failed.ts";
import { deliverEvent } from "../webhook/deliver-event.ts";
import type { Post } from "../webhook/post.ts";
import { createSourceHeaders } from "../worker/image/source-headers.ts";
import { HostPauses } from "../worker/guards/host-pauses.ts";
import { createNetworkGuard } from "../worker/guards/network-guard.ts";
import { startWorker, type Worker, type WorkerDeps } from "../worker/worker.ts";
import { fitDownloads, readFilesMax } from "./fit-downloads.ts";
import { checkEncoderMemory, countThreads, fitEncoders } from "./fit-encoders.ts";
import { loadOnce } from "./load-once.ts";
import { outgoing, type OnStop, type Parts } from "./parts.ts";

/** On one core 100 megapixels took 3 s to JPEG and 41 s to WebP; to AVIF two minutes, reckoned from 7 s for 6 megapixels. */
const ENCODE_MS = 300_000;
/** A filter, a dash, a text that runs both ways or a selector of a few bytes can take hours, which no header tells. */
const DRAWING_MS = 20_000;
const ENCODER_TASKS_MAX = 5_000;

/** Everything that works on batches. */
export async function wireWorker({ config, log, warn, db, queue, storage, publicUrl, headerSeal }: Parts, onStop: OnStop): Promise<void> {
  const asking = await outgoing(config);
  const downloads = fitDownloads(config, readFilesMax(), log);
  const hosts = new HostPauses({
    executor: db.executor,
    now: () => performance.now(),
    random: Math.random,
    onError: (error) => warn(error, "the database did not take or give a host's pause"),
  });
  onStop(async () => hosts.stop());
  const network = createNetworkGuard({ now: () => performance.now(), log });
  const downloader = createDownloader({
    ...asking,
    hosts: network.watch(hosts.of()),
    limits: DOWNLOAD_LIMITS,
    max: downloads,
    perHostMax: config.downloadsPerHost,
    turnsAway: true,
    accept: IMAGE_ACCEPT,
  });
  onStop(async () => downloader.close());
  const encoders = wireEncoders({ config, log });
  onStop(() => encoders.close());
  // With got it takes a tenth of the CPU of a start, and many a process has no event to send.
  const loadPost = loadOnce(() => import("../webhook/post.ts").then(({ createPost }) => createPost(asking)));
  const post: Post = async (message) => (await loadPost())(message);
  const worker: Worker = await startWorker({
    db,
    queue,
    storage,
    log,
    warn,
    stages: wireStages({ config, storage, downloader, encoders }),
    encoders,
    hosts,
    network,
    sourceHeadersOf: createSourceHeaders({ find: (batchId) => findSealedHeaders(db.executor, batchId), open: headerSeal?.open ?? null }),
    waitingForHost: () => downloader.waiting,
    openAuthorization: headerSeal?.openAuthorization ?? null,
    send: (endpoint, event) => deliverEvent({ post, now: () => new Date() }, endpoint, event, AbortSignal.timeout(60_000)),
    settings: {
      downloads,
      diskFreeBytesMin: config.diskFreeBytesMin,
      keepBatchesDays: config.keepBatchesDays,
      webhook: config.webhook,
      publicUrl,
    },
  });
  onStop(worker.stop);
  const listener = listen({
    url: db.url,
    channels: { [JOBS_CHANNEL]: worker.wake, [HOSTS_CHANNEL]: (payload) => hosts.onNotify(payload) },
  });
  onStop(listener.close);
}

function wireEncoders({ config, log }: Pick<Parts, "config" | "log">): EncoderPool {
  checkEncoderMemory(config, encoderMbMax(config.databaseUrl), log);
  return new EncoderPool({
    size: fitEncoders(config, { threadsMax: readThreadsMax(), threads: countThreads() }, log),
    pixelsMax: PIXELS_MAX,
    allowSvg: config.allowSvg,
    taskMs: ENCODE_MS,
    drawingMs: DRAWING_MS,
    memoryBytesMax: config.encoderMemoryBytes,
    tasksMax: ENCODER_TASKS_MAX,
    onLost: (event) => log.warn(event, "an encoder ended and is replaced"),
  });
}

type StageParts = Pick<Parts, "config" | "storage"> & {
  downloader: ReturnType<typeof createDownloader>;
  encoders: EncoderPool;
};

function wireStages({ config, storage, downloader, encoders }: StageParts): WorkerDeps["stages"] {
  return {
    tempPath: storage.tempPath,
    download: downloader.download,
    async inspect(input) {
      const looked = await orStorageFailed(() => inspectImage(input, { pixelsMax: PIXELS_MAX, allowSvg: config.allowSvg }));
      return looked.ok ? looked.value : looked;
    },
    encode: (task, options) => encoders.encode(task, options),
    keepOutput: storage.keepOutput,
    keepInput: config.keepInputs ? storage.keepInput : storage.dropInput,
    linkOutput: storage.linkOutput,
    linkInput: config.keepInputs ? storage.linkInput : async () => succeeded(false),
    discard: storage.discard,
  };
}
