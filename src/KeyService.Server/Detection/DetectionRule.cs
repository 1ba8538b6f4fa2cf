namespace KeyService.Server.Detection;

/// <summary>What is looked for in the log. Numbers and names are frozen: they stand in rows, events and alarms.</summary>
internal enum DetectionRule
{
    /// <summary>Somebody failed to log in several times within a time, and did not succeed in between. Subject: the person, or address and credential.</summary>
    FailedLogins = 1,

    /// <summary>Somebody had more records opened while the site was closed than is usual. Subject: the person.</summary>
    AfterHoursAccess = 2,

    /// <summary>Somebody had very many records opened within a time, or asked for a backup. Subject: the principal.</summary>
    BulkExport = 3,

    /// <summary>Somebody administered; once for each principal, kind of event and day. Subject: the principal.</summary>
    AdministrativePrivilege = 4,

    /// <summary>A ciphertext was not opened for a context, or a context was refused. Subject: the principal.</summary>
    RefusedContext = 5,

    /// <summary>Something was done with a version that was declared compromised. Subject: the principal.</summary>
    CompromisedVersionUsed = 6,

    /// <summary>A principal called from an address that it had not called from before. Subject: the principal.</summary>
    NewPlace = 7,
}
