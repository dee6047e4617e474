/** As much of curl as README's tour uses, for machines without one: `curl -sS URL -H HEADER -d BODY`. */
const [, , ...args] = process.argv
const url = args.find((argument) => argument.startsWith('http'))
const [name, value] = args[args.indexOf('-H') + 1].split(': ')
const response = await fetch(url, {
  method: 'POST',
  headers: { [name]: value },
  body: args[args.indexOf('-d') + 1],
})
process.stdout.write(await response.text())
