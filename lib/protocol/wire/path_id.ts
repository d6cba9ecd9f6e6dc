/** A path's id is a byte of the record header: as many can be told apart. */
export const PATH_IDS = 256;
/** Where an id stands for a choice: none. */
export const NO_PATH = -1;
