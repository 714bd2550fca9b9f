/* @consent-service/web 0.1.0, Apache-2.0 */
