module.exports = {
  apps: [
    { name: 'quotes', script: './it.js', env: { GREETING: 'it\'s "so"', PATTERN: 'a\\d+' } },
  ],
}
