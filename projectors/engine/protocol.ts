/** What parent and child say to each other over their IPC channel. */

/** Parent to child. The first one is `start`: it carries the secret, which so stands in no argument and no environment. */
export type ToEngine =
  | {
      readonly kind: 'start'
      readonly dataDir: string
      readonly memoryBytesMax: number
      /** 0 the first time; afterwards the port of before, so that clients only have to try again. */
      readonly port: number
      readonly username: string
      readonly password: string
    }
  | { readonly kind: 'ping'; readonly id: number }
  | { readonly kind: 'stop' }

/** Child to parent. */
export type FromEngine =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'pong'; readonly id: number }
