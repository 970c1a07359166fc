// GitHub's packages import JSON as bundlers take it; Node wants to be told that it is JSON.
export const load = (url, context, next) =>
  next(url, url.endsWith(".json") ? { ...context, format: "json", importAttributes: { type: "json" } } : context);
