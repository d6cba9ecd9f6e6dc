/** A path's id is one byte of the record header. */
export const PATH_IDS = 256;
/** Where an id stands for a choice: none. */
export const NO_PATH = -1;
