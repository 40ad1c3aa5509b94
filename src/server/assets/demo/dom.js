// Makes elements. The page's policy allows no HTML from scripts, so text stays text.

/** Makes an element with attributes and children, which are elements or texts. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, '')
    else if (value !== false && value !== undefined) made.setAttribute(key, value)
  }
  made.append(...children.filter((child) => child !== undefined))
  return made
}

export const byId = (id) => document.getElementById(id)

/** Runs a handler when a button is pressed. The button waits until the handler has finished. */
export function onPress(button, handler) {
  button.addEventListener('click', async () => {
    if (button.ariaDisabled === 'true') return
    button.ariaDisabled = 'true'
    try {
      await handler()
    } finally {
      button.ariaDisabled = null
    }
  })
}

/** Writes a time in seconds as people read it: `59:41`, `3 h 20 min`, `29 d 23 h`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.ceil(seconds))
  const [days, hours, minutes] = [86_400, 3600, 60].map((unit) => Math.floor(whole / unit))
  if (days > 0) return `${days} d ${hours % 24} h`
  if (hours > 0) return `${hours} h ${minutes % 60} min`
  return `${minutes}:${String(whole % 60).padStart(2, '0')}`
}

/** Writes a length of time without a remainder: `30 s`, `30 min`, `1 h`, `30 d`. */
export function length(seconds) {
  if (seconds >= 86_400 && seconds % 86_400 === 0) return `${seconds / 86_400} d`
  if (seconds >= 3600 && seconds % 3600 === 0) return `${seconds / 3600} h`
  if (seconds >= 60 && seconds % 60 === 0) return `${seconds / 60} min`
  return `${seconds} s`
}
