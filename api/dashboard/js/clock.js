// The server's clock as seen from here, so that a wall display with a wrong clock still tells the true data age.

const TRUSTED_DIFFERENCE_MS = 2000;

/** Wall time corrected by the `Date` header of answers when this machine's clock is off by more than 2 s. */
export class Clock {
  constructor() {
    this.skew = 0;
  }

  /** Learn from an answer: its Date header (whole seconds) and when it was asked for and received, local ms. */
  observe(dateHeader, sentAt, receivedAt) {
    const served = Date.parse(dateHeader ?? "");
    if (Number.isNaN(served)) return;
    const difference = (sentAt + receivedAt) / 2 - (served + 500);
    this.skew = Math.abs(difference) > TRUSTED_DIFFERENCE_MS ? difference : 0;
  }

  /** Milliseconds since 1970, by the server. */
  now() {
    return Date.now() - this.skew;
  }
}
