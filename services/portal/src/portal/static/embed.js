// The live sample of /embed: shows what the component says.

const EVENTS = ["restart-availability", "restart-before", "restart-requested", "restart-progress", "restart-verdict", "restart-error", "restart-auth"];

export function start() {
  const heard = document.getElementById("heard");
  for (const name of EVENTS) {
    document.addEventListener(name, ({ detail }) => {
      const { evidence, ...rest } = detail;
      const told = { ...rest, ...(evidence ? { evidence: evidence.length } : {}), ...(rest.blockedBy ? { blockedBy: rest.blockedBy.map((block) => block.reason) } : {}) };
      heard.append(`${name} ${JSON.stringify(told)}\n`);
      heard.scrollTop = heard.scrollHeight;
    });
  }
}
