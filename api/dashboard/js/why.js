// What an index is made of: the weight of each part and the points it gives. Pure.

/** Share 0–1 of the weights that count, by id of the parts of an index that have a score. */
export function sharesOf(index) {
  const scored = (index?.contributions ?? []).filter((item) => typeof item.points === "number");
  const total = scored.reduce((sum, item) => sum + item.weight, 0);
  return new Map(scored.map((item) => [item.id, total > 0 ? item.weight / total : 0]));
}

/** Whether a part has a say in an index, which it has not where its weight is 0; of an index without a score nothing is known. */
export function countsIn(index, id) {
  const shares = sharesOf(index);
  return shares.size === 0 || shares.get(id) > 0;
}

/**
 * The parts of an index, those that cost it most first: {id, score, points, share, cost}. `share` is the weight as a share of
 * those that count; `cost` is what a score of 100 would add if the index were an arithmetic mean.
 */
export function partsOf(index) {
  const shares = sharesOf(index);
  return (index?.contributions ?? [])
    .filter((item) => item.id)
    .map((item) => {
      const share = shares.get(item.id) ?? 0;
      return { id: item.id, score: item.score, points: item.points, share, cost: share * (100 - (item.score ?? 100)) };
    })
    .sort((one, other) => other.cost - one.cost);
}

/** The areas an indicator's score comes from, those that cost it most first: {id, score, points, share, cost}. */
export function areasOf(why) {
  return (why?.contributions ?? [])
    .filter((part) => typeof part.share === "number" && typeof part.score === "number")
    .map((part) => ({ ...part, cost: part.share * (100 - part.score) }))
    .filter((part) => part.cost > 0)
    .sort((one, other) => other.cost - one.cost);
}

/** The devices that pull an indicator down, as {id, value}. */
export function devicesOf(value) {
  return (value?.contributions ?? []).filter((item) => item.device).map((item) => ({ id: item.device, value: item.value }));
}
