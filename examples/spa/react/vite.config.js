import react from '@vitejs/plugin-react'

export default {
  plugins: [react()],
  resolve: { dedupe: ['react'] }, // here the client is a link to its folder, which has a React of its own
  server: {
    proxy: {
      '/api': {
        target: process.env.TOKENPAIR_URL ?? 'http://127.0.0.1:8080',
        changeOrigin: false, // the server compares Host with the page's origin
        rewrite: (path) => path.replace(/^\/api/, ''),
      },
    },
  },
}
