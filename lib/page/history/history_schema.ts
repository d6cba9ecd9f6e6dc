/** The tables of the history. */

export const SCHEMA_VERSION = 1;

/**
 * `series`: a link, on a server a client. `bucket`: sums of what was read in it, so that buckets can
 * be added up; `seconds` of it were watched, `rtt_us` and `loss_ppm` are sums over as many readings.
 * `counter`: what each series had carried when it was last read, and in which run of its counters.
 * `volume`: bytes of a month.
 */
export const SCHEMA = `
  CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    seen INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS bucket (
    resolution INTEGER NOT NULL,
    at INTEGER NOT NULL,
    series INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    seconds REAL NOT NULL,
    up_seconds REAL NOT NULL,
    rtt_us INTEGER NOT NULL,
    rtt_readings INTEGER NOT NULL,
    loss_ppm INTEGER NOT NULL,
    loss_readings INTEGER NOT NULL,
    PRIMARY KEY (resolution, at, series)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counter (
    series INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    at REAL NOT NULL
  );
  CREATE TABLE IF NOT EXISTS volume (
    month TEXT NOT NULL,
    series INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    PRIMARY KEY (month, series)
  ) WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

export const ADD_BUCKET = `
  INSERT INTO bucket VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET
    received = received + excluded.received,
    sent = sent + excluded.sent,
    seconds = seconds + excluded.seconds,
    up_seconds = up_seconds + excluded.up_seconds,
    rtt_us = rtt_us + excluded.rtt_us,
    rtt_readings = rtt_readings + excluded.rtt_readings,
    loss_ppm = loss_ppm + excluded.loss_ppm,
    loss_readings = loss_readings + excluded.loss_readings`;

export const ADD_VOLUME = `
  INSERT INTO volume VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET received = received + excluded.received, sent = sent + excluded.sent`;

export const SET_COUNTER = "INSERT OR REPLACE INTO counter VALUES (?, ?, ?, ?, ?)";

/** The round trip of all is that of the nearest link. */
export const SELECT_ALL = `
  SELECT at, sum(received) AS received, sum(sent) AS sent, max(seconds) AS seconds,
    max(up_seconds) AS upSeconds,
    min(CASE WHEN rtt_readings > 0 THEN rtt_us * 1.0 / rtt_readings END) AS rttUs,
    NULL AS lossPpm
  FROM bucket WHERE resolution = ? AND at >= ? AND at <= ? GROUP BY at ORDER BY at`;

export const SELECT_ONE = `
  SELECT at, received, sent, seconds, up_seconds AS upSeconds,
    CASE WHEN rtt_readings > 0 THEN rtt_us * 1.0 / rtt_readings END AS rttUs,
    CASE WHEN loss_readings > 0 THEN loss_ppm * 1.0 / loss_readings END AS lossPpm
  FROM bucket WHERE resolution = ? AND at >= ? AND at <= ?
    AND series = (SELECT id FROM series WHERE name = ?) ORDER BY at`;
