using KeyService.Server.Hosting;

return await ServerCommandLine.RunAsync(args);
