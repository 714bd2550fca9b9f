import type { Consent } from '../core/types.js';
/** A service of klaro's configuration; its `name` is the purpose. */
export interface Service {
    name: string;
    required?: boolean;
    [more: string]: unknown;
}
/** Klaro's own configuration but for its texts, which come from the notice. */
export interface Config {
    /** Without them each purpose is a service. */
    services?: Service[];
    storageMethod?: string;
    storageName?: string;
    cookieName?: string;
    elementID?: string;
    translations?: Record<string, unknown>;
    [more: string]: unknown;
}
interface Manager {
    confirmed: boolean;
    consents: Record<string, boolean>;
    watch(watcher: {
        update(manager: unknown, event: string, data: unknown): void;
    }): void;
    updateConsent(name: string, isOn: boolean): unknown;
    saveAndApplyConsents(kind?: string): void;
    resetConsents(): void;
}
/** What is used of the library: the module itself, `import * as klaro from 'klaro'`. */
export interface Library {
    render(config: object, options?: object): unknown;
    show(config?: object, modal?: boolean): unknown;
    getManager(config?: object): Manager;
}
/** Runs the library as the banner of this consent, in place of `klaro.setup`: it shows the notice, and what is chosen in it is told. */
export declare function runKlaro(consent: Consent, klaro: Library, config?: Config): Promise<void>;
export {};
