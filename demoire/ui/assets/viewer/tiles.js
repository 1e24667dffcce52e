// Tiles of pictures: fetched when a frame wants them, decoded off the main thread, dropped when not drawn for long.

const TOGETHER = 4; // requests at once: browsers allow six to a host, and one of them carries the server's messages
const CAPACITY = 224; // decoded tiles of 1 MiB
const TRIES = 3;

export class TileStore {
  constructor(address, changed) {
    Object.assign(this, { address, changed, tiles: new Map(), wanted: [], loading: 0, frame: 0 });
  }

  beginFrame() {
    this.frame += 1;
    this.wanted = []; // what former frames missed and nobody looks at any more is not fetched
  }

  // The decoded tile, or null until it has arrived. `version` changes with its content; the former one serves meanwhile.
  get(path, version) {
    const tile = this.tiles.get(path) ?? { bitmap: null, version: null, asked: null, tries: 0 };
    this.tiles.delete(path);
    this.tiles.set(path, tile); // to the young end
    tile.frame = this.frame;
    if (tile.version !== version && tile.asked !== version) this.wanted.push({ path, tile, version });
    return tile.bitmap;
  }

  // Whether all that the frame wanted was there.
  endFrame() {
    const complete = this.wanted.length === 0 && this.loading === 0;
    while (this.loading < TOGETHER && this.wanted.length) this.fetch(this.wanted.shift());
    for (const [path, tile] of this.tiles) {
      if (this.tiles.size <= CAPACITY || tile.frame === this.frame) break;
      this.drop(path, tile);
    }
    return complete;
  }

  async fetch({ path, tile, version }) {
    tile.asked = version;
    this.loading += 1;
    try {
      const answer = await fetch(this.address(`${path}?v=${version}`));
      if (!answer.ok) throw new Error(answer.status);
      const bitmap = await createImageBitmap(await answer.blob());
      if (tile.asked === version && this.tiles.get(path) === tile) {
        tile.bitmap?.close();
        Object.assign(tile, { bitmap, version, tries: 0 });
      } else bitmap.close();
    } catch {
      tile.tries += 1;
      if (tile.tries < TRIES) setTimeout(() => this.again(tile, version), 1000 * tile.tries);
    }
    this.loading -= 1;
    this.changed();
  }

  again(tile, version) {
    if (tile.asked === version) tile.asked = null;
    this.changed();
  }

  drop(path, tile) {
    this.tiles.delete(path);
    tile.bitmap?.close();
  }

  clear() {
    for (const [path, tile] of this.tiles) this.drop(path, tile);
  }
}

// One version of the picture; parts of it may still be on their way.
export class Picture {
  constructor(store) {
    this.store = store;
  }

  take(pane) {
    Object.assign(this, pane.source, { pane, arrived: pane.arrived });
    return this;
  }

  tile(level, row, column) {
    const version = this.version(level, row, column);
    return version === 0 ? null : this.store.get(`${this.base}/${level}/${row}/${column}`, version);
  }

  // How many arrived parts touch the tile; "all" once everything is there.
  version(level, row, column) {
    if (!this.arrived) return "all";
    const size = this.side * 2 ** level;
    const [top, left] = [row * size, column * size];
    return this.arrived.filter((box) => box[0] < top + size && box[2] > top && box[1] < left + size && box[3] > left).length;
  }
}
