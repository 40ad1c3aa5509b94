// The settings of the server that a page needs, which the server writes into the page.

export const settings = JSON.parse(document.documentElement.dataset.settings)

/** Returns the URL of a route. It is relative to the page, so a proxy may serve both behind a prefix. */
export function urlOf(route) {
  return new URL(`.${route}`, location.href)
}
