/** The built-in tables' names, as queries write them. A test holds them equal to what the registry makes. */
export const TABLES = {
  accounts: 'accounts_v1',
  accountIds: 'account_ids_v1',
  accountOwners: 'account_owners_v1',
  balances: 'balances_v1',
  history: 'history_v1',
  events: 'events_v1',
  eventIds: 'event_ids_v1',
  eventRelations: 'event_relations_v1',
  checkpoints: 'checkpoints_v2',
} as const
